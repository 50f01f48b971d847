"""What to do next, in commands of this CLI, for refusals whose own hint speaks of routes."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

Again = Callable[..., str]

_DEPLOYMENT: Final = re.compile(r"/deployments/([^/]+)")


class Advice(NamedTuple):
    """A sentence and the command that it ends with; `of` names a member without which it says nothing."""

    text: str
    words: tuple[str, ...]
    of: str | None = None


_HISTORY: Final = ("history", "{deployment}")
_BUILD_AGAIN: Final = Advice(
    "Build its source again: ", ("deploy", "{source}", "--name", "{deployment}"), "source"
)
_ADVICE: Final[Mapping[str, tuple[Advice, ...]]] = {
    "AliasNotFound": (Advice("See the aliases: ", ("alias", "list", "{deployment}")),),
    "AliasReserved": (Advice("Stop the deployment instead: ", ("stop", "{deployment}")),),
    "AlreadyRunning": (Advice("Run it anew: ", ("restart", "{deployment}")),),
    "ArtifactHidden": (Advice("Show it again: ", ("artifact", "unhide", "{source}")),),
    "ArtifactNotFound": (Advice("See the artifacts: ", ("artifact", "list")),),
    "BasicUserExists": (Advice("See the users: ", ("access", "show", "{deployment}")),),
    "BasicUserNotFound": (Advice("See the users: ", ("access", "show", "{deployment}")),),
    "BuildNotFound": (Advice("See the builds: ", ("builds", "{deployment}")),),
    "CapacityExceeded": (
        Advice(
            "Ask for less, free room, or let the old replicas end first with --strategy in-place, so that "
            "nothing answers in between. See what is free: ",
            ("target", "list"),
        ),
    ),
    "DeadMessageNotFound": (Advice("See what was given up: ", ("dead", "list")),),
    "DeadMessageNotRetriable": (Advice("Discard it: ", ("dead", "discard", "{sequence}")),),
    "DeadMessageOvertaken": (Advice("If it is not wanted any more: ", ("dead", "discard", "{sequence}")),),
    "DeadMessageSettled": (Advice("See what became of it: ", ("dead", "show", "{sequence}")),),
    "DeploymentExists": (Advice("Deploy to it: ", ("deploy", "PATH", "--name", "{deployment}")),),
    "DeploymentNotFound": (
        Advice("See when it was there: ", ("events", "{deployment}"), "at"),
        Advice("Bring it back: ", ("undelete", "{deployment}"), "deleted"),
        Advice("See what there is: ", ("ls",)),
    ),
    "DeploymentPurging": (
        Advice("See what holds it up with slipway show; if it does not end: ", ("purge", "{deployment}")),
    ),
    "DeploymentsDisabled": (Advice("An admin switches it on: ", ("group", "set", "{group}", "--enable")),),
    "EndpointKeyNotFound": (Advice("See the keys: ", ("access", "key", "list", "{deployment}")),),
    "EndpointKeyReplaced": (
        Advice(
            "Rotate the newer one: ",
            ("access", "key", "rotate", "{deployment}", "{replaced_by}"),
            "replaced_by",
        ),
        Advice("Make another one: ", ("access", "key", "add", "{deployment}", "{name}")),
    ),
    "FoundFileMissing": (Advice("See what can be adopted: ", ("artifact", "found")),),
    "GatewayNotFound": (Advice("See the gateways: ", ("gateway", "list")),),
    "GroupNotFound": (Advice("See your groups: ", ("group", "list")),),
    "InstanceTypeNotFound": (Advice("See the instance types: ", ("instance-type", "list")),),
    "KeyNotFound": (Advice("See the keys: ", ("key", "list")),),
    "NoEarlierRelease": (Advice("Choose one with --to: ", _HISTORY),),
    "NotDeleted": (Advice("If it is stopped, run it: ", ("start", "{deployment}")),),
    "NotRunning": (Advice("Run it again: ", ("start", "{deployment}")),),
    "NothingToRun": (Advice("Deploy something first: ", ("deploy", "PATH", "--name", "{deployment}")),),
    "OperationNotFound": (Advice("See the last one: ", ("timeline", "{deployment}")),),
    "PreconditionFailed": (
        Advice("Look at what changed, and take the etag from there: ", ("show", "{deployment}", "--json")),
        Advice("Look at what changed, and try again: ", ("group", "show", "{group}")),
    ),
    "QuotaExceeded": (Advice("See use and quota: ", ("group", "show", "{group}")),),
    "ReleaseNotFound": (Advice("See the releases: ", _HISTORY),),
    "ReleaseNotRestorable": (
        _BUILD_AGAIN,
        Advice("Make a copy of it: ", ("rollback", "{deployment}", "--to", "{release}"), "state"),
        Advice("See why it has no version: ", ("builds", "{deployment}"), "build"),
    ),
    "SecretInUse": (
        Advice(
            "Release without it first, or remove it all the same, and replicas that start later fail: ",
            ("secret", "rm", "{secret}", "--force"),
        ),
    ),
    "SecretNotFound": (Advice("See the secrets: ", ("secret", "list")),),
    "SourceMissing": (Advice("Upload and build it: ", ("deploy", "PATH", "--name", "{deployment}")),),
    "TargetNotFound": (Advice("See the targets: ", ("target", "list")),),
    "VersionHidden": (Advice("Show it again: ", ("versions", "unhide", "{deployment}", "{version}")),),
    "VersionNotFound": (Advice("See the versions: ", ("versions", "list", "{deployment}")),),
    "VersionRemoved": (_BUILD_AGAIN,),
    "WebhookNotFound": (
        Advice("See the webhooks, with --all-groups those of the installation: ", ("webhook", "list")),
    ),
}
_CONNECTION: Final = frozenset({"KeyMissing", "KeyUnknown"})
ADVISED: Final = _CONNECTION | _ADVICE.keys() | {"InvalidRequest"}
"""The reasons for which something is said here."""


def hint_for(reason: str, members: Mapping[str, Any], again: Again) -> str | None:
    """Return what to do about a refusal with this reason; None where the API's own hint says it."""
    if reason in _CONNECTION:
        return (
            "Give the right --key or SLIPWAY_KEY, or with --state the folder of a platform on this machine."
        )
    if reason == "InvalidRequest" and "/openapi.json" in str(members.get("hint", "")):
        return "Correct that; --help says what each argument may be."
    named = _DEPLOYMENT.search(str(members.get("instance", "")))
    known = {**members, **({"deployment": named[1]} if named else {})}
    for advice in _ADVICE.get(reason, ()):
        if advice.of is None or known.get(advice.of):
            try:
                return advice.text + again(*(word.format_map(known) for word in advice.words))
            except KeyError:
                continue
    return None
