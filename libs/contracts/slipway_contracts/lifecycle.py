"""States and the one table of allowed moves per machine."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Wanted(StrEnum):
    """What the users last asked for."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"
    PURGED = "purged"


class DeploymentState(StrEnum):
    """A pure function of the facts; see `evolve.deployment_state`."""

    NEW = "NEW"
    DEPLOYING = "DEPLOYING"
    DEPLOYED = "DEPLOYED"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"
    FAILED = "FAILED"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    DELETED = "DELETED"
    PURGING = "PURGING"
    PURGED = "PURGED"


class ReleaseState(StrEnum):
    """Where a release is on its way."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    READY = "READY"
    LIVE = "LIVE"
    DRAINING = "DRAINING"
    RETIRED = "RETIRED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    CANCELED = "CANCELED"


class BuildState(StrEnum):
    """Where a build is on its way."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class OperationState(StrEnum):
    """Progress of one accepted command."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    CANCELED = "CANCELED"


_R = ReleaseState
_UNFINISHED_ENDS: Final = frozenset({_R.FAILED, _R.SUPERSEDED, _R.CANCELED})

RELEASE_MOVES: Final[Mapping[ReleaseState, frozenset[ReleaseState]]] = {
    _R.PENDING: frozenset({_R.STARTING}) | _UNFINISHED_ENDS,
    # A release that ran before and is started again ends RETIRED, as it was, where it does not succeed.
    _R.STARTING: frozenset({_R.READY, _R.RETIRED}) | _UNFINISHED_ENDS,
    _R.READY: frozenset({_R.LIVE, _R.DRAINING, _R.RETIRED}) | _UNFINISHED_ENDS,
    _R.LIVE: frozenset({_R.DRAINING}),
    _R.DRAINING: frozenset({_R.RETIRED, _R.LIVE}),
    _R.RETIRED: frozenset({_R.LIVE, _R.STARTING}),
    _R.FAILED: frozenset(),
    _R.SUPERSEDED: frozenset(),
    _R.CANCELED: frozenset(),
}

_B = BuildState
BUILD_MOVES: Final[Mapping[BuildState, frozenset[BuildState]]] = {
    _B.QUEUED: frozenset({_B.RUNNING, _B.FAILED, _B.CANCELED}),
    _B.RUNNING: frozenset({_B.SUCCEEDED, _B.FAILED, _B.CANCELED}),
    _B.SUCCEEDED: frozenset(),
    _B.FAILED: frozenset(),
    _B.CANCELED: frozenset(),
}

_O = OperationState
_OPERATION_ENDS: Final = frozenset({_O.SUCCEEDED, _O.FAILED, _O.SUPERSEDED, _O.CANCELED})
OPERATION_MOVES: Final[Mapping[OperationState, frozenset[OperationState]]] = {
    _O.PENDING: frozenset({_O.RUNNING}) | _OPERATION_ENDS,
    _O.RUNNING: _OPERATION_ENDS,
    _O.SUCCEEDED: frozenset(),
    _O.FAILED: frozenset(),
    _O.SUPERSEDED: frozenset(),
    _O.CANCELED: frozenset(),
}

UNFINISHED_RELEASES: Final = frozenset({_R.PENDING, _R.STARTING, _R.READY})
TERMINAL_OPERATIONS: Final = _OPERATION_ENDS
TERMINAL_BUILDS: Final = frozenset({_B.SUCCEEDED, _B.FAILED, _B.CANCELED})
KEPT_RELEASES: Final = 10
"""So many of a deployment's newest releases can run again: what they need is kept."""


class MoveNotAllowedError(ValueError):
    """A record was asked to move where its table does not lead."""


def move_release(old: ReleaseState, new: ReleaseState) -> ReleaseState:
    """Return `new`.

    Raises:
        MoveNotAllowedError: the table does not lead from `old` to `new`.
    """
    if new not in RELEASE_MOVES[old]:
        raise MoveNotAllowedError(f"a release cannot go from {old} to {new}")
    return new
