"""What to do next, in commands of this CLI, for refusals whose own hint speaks of routes."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Again = Callable[..., str]

_DEPLOYMENT: Final = re.compile(r"/deployments/([^/]+)")
_COMMANDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "AliasNotFound": ("See the aliases: ", ("alias", "list", "{deployment}")),
    "AliasReserved": ("Stop the deployment instead: ", ("stop", "{deployment}")),
    "AlreadyRunning": ("Run it anew: ", ("restart", "{deployment}")),
    "ArtifactHidden": ("Show it again: ", ("artifact", "unhide", "DIGEST")),
    "ArtifactNotFound": ("See the artifacts: ", ("artifact", "list")),
    "BasicUserExists": ("See the users: ", ("access", "show", "{deployment}")),
    "BasicUserNotFound": ("See the users: ", ("access", "show", "{deployment}")),
    "BuildNotFound": ("See the builds: ", ("builds", "{deployment}")),
    "DeadMessageNotFound": ("See what was given up: ", ("dead", "list")),
    "DeadMessageOvertaken": ("If it is not wanted any more: ", ("dead", "discard", "{sequence}")),
    "DeadMessageSettled": ("See what became of it: ", ("dead", "show", "{sequence}")),
    "DeploymentNotFound": ("See what there is: ", ("ls",)),
    "DeploymentsDisabled": ("An admin switches it on: ", ("group", "set", "{group}", "--enable")),
    "EndpointKeyNotFound": ("See the keys: ", ("access", "key", "list", "{deployment}")),
    "FoundFileMissing": ("See what can be adopted: ", ("artifact", "found")),
    "GroupNotFound": ("See your groups: ", ("group", "list")),
    "InstanceTypeNotFound": ("See the instance types: ", ("instance-type", "list")),
    "KeyNotFound": ("See the keys: ", ("key", "list")),
    "NoEarlierRelease": ("Choose one with --to: ", ("history", "{deployment}")),
    "NotDeleted": ("If it is stopped, run it: ", ("start", "{deployment}")),
    "NotRunning": ("Run it again: ", ("start", "{deployment}")),
    "NothingToRun": ("Deploy something first: ", ("deploy", "PATH", "--name", "{deployment}")),
    "QuotaExceeded": ("See use and quota: ", ("group", "show", "{group}")),
    "ReleaseNotFound": ("See the releases: ", ("history", "{deployment}")),
    "SecretNotFound": ("See the secrets: ", ("secret", "list")),
    "TargetNotFound": ("See the targets: ", ("target", "list")),
    "VersionHidden": ("Show it again: ", ("versions", "unhide", "{deployment}", "{version}")),
    "VersionNotFound": ("See the versions: ", ("versions", "list", "{deployment}")),
    "WebhookNotFound": (
        "See the webhooks, with --all-groups those of the installation: ",
        ("webhook", "list"),
    ),
}
_CONNECTION: Final = frozenset({"KeyMissing", "KeyUnknown"})


def hint_for(reason: str, members: Mapping[str, Any], again: Again) -> str | None:
    """Return what to do about a refusal with this reason; None where the API's own hint says it."""
    if reason in _CONNECTION:
        return (
            "Give the right --key or SLIPWAY_KEY, or with --state the folder of a platform on this machine."
        )
    if reason not in _COMMANDS:
        return None
    text, words = _COMMANDS[reason]
    named = _DEPLOYMENT.search(str(members.get("instance", "")))
    known = {**({"deployment": named[1]} if named else {}), **members}
    try:
        return text + again(*(word.format_map(known) for word in words))
    except KeyError:
        return None
