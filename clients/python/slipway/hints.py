"""What to do next, in commands of this CLI, for refusals whose own hint speaks of routes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Again = Callable[..., str]

_COMMANDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "DeploymentNotFound": ("See what there is: ", ("ls",)),
    "NotRunning": ("Run it again: ", ("start", "{deployment}")),
    "AlreadyRunning": ("Run it anew: ", ("redeploy", "{deployment}")),
    "NothingToRun": ("Deploy something first: ", ("deploy", "PATH", "--name", "{deployment}")),
    "VersionNotFound": ("See the versions: ", ("versions", "{deployment}")),
    "BuildNotFound": ("See the builds: ", ("builds", "{deployment}")),
    "ReleaseNotFound": ("See the releases: ", ("history", "{deployment}")),
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
    try:
        return text + again(*(word.format_map(members) for word in words))
    except KeyError:
        return None
