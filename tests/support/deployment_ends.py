"""Which events end an operation, and which state of a release each of its events means."""

from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
    ReleaseStarting,
    ReleaseSuperseded,
)
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.message import Message

ENDS = (OperationSucceeded, OperationFailed, OperationSuperseded, OperationCanceled)
STATES: dict[type[Message], ReleaseState] = {
    ReleaseCreated: ReleaseState.PENDING,
    ReleaseStarting: ReleaseState.STARTING,
    ReleaseReady: ReleaseState.READY,
    ReleaseLive: ReleaseState.LIVE,
    ReleaseDraining: ReleaseState.DRAINING,
    ReleaseRetired: ReleaseState.RETIRED,
    ReleaseFailed: ReleaseState.FAILED,
    ReleaseSuperseded: ReleaseState.SUPERSEDED,
    ReleaseCanceled: ReleaseState.CANCELED,
}
