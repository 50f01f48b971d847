"""Operations as the client sees them: from a row of the projection, or folded from messages of the log.

Pure. Also says when a transient state has lasted too long, and who owes its end.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from slipway_chassis.stored import Stored
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import Build, CancelBuild, Command, Deploy, Redeploy, Start
from slipway_contracts.desired import Desired
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
)
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS, OperationState, ReleaseState
from slipway_store.rows import OperationRow

from slipway_api.answers.views import Operation, Overdue

PATIENCE: Final = timedelta(minutes=5)
"""For an operation without a deadline of its own, as a cancel."""
UNTAKEN: Final = timedelta(seconds=30)
"""For a command of which its service has said nothing yet."""

_BUILDER_KINDS: Final = frozenset({"build", "cancel-build"})


def kind_of(command: Command) -> str:
    """Return the verb of a command."""
    return command.type.split(".")[1]


def accepted(command: Command, *, identifier: str, at: datetime) -> Operation:
    """Return the operation of a command that nobody has worked on yet."""
    return Operation(
        id=identifier,
        kind=kind_of(command),
        state=OperationState.PENDING,
        group=command.group,
        deployment=command.deployment,
        build=_build_of(command, identifier),
        created_at=at,
        created_by=command.by,
        deadline_at=command.deadline_at if isinstance(command, Build) else None,
    )


def _build_of(command: Command, identifier: str) -> str | None:
    match command:
        case Build():
            return identifier
        case CancelBuild():
            return command.build
        case Deploy() | Redeploy() | Start():
            return command.request.build
        case _:
            return None


def from_row(row: OperationRow, *, desired: Desired | None = None, now: datetime | None = None) -> Operation:
    """Return the operation of a row, with what is overdue; `desired` knows deadlines that no row has.

    It knows the later ones too that a deployer sets after a time in which none was there.
    """
    operation = Operation.model_validate(row)
    if operation.state not in TERMINAL_OPERATIONS:
        known = (operation.deadline_at, deadline_of(operation.id, desired))
        latest = max((each for each in known if each is not None), default=None)
        operation = operation.model_copy(update={"deadline_at": latest})
    return operation.model_copy(update={"overdue": overdue(operation, now=now or datetime.now(UTC))})


def deadline_of(operation: str, desired: Desired | None) -> datetime | None:
    """Return by when the decision wants this release, stop, delete, alias or setting to have its end."""
    if desired is None:
        return None
    if desired.ending == operation:
        return desired.ending_deadline_at
    ends = [move.deadline_at for move in desired.moves if move.operation == operation]
    ends += [each.deadline_at for each in desired.settling if each.operation == operation]
    starting = (each for each in desired.releases if each.state is ReleaseState.STARTING)
    ends += [each.deadline_at for each in starting if each.operation == operation]
    return max((end for end in ends if end is not None), default=None)


def fold(operation: Operation, stored: Stored) -> Operation:
    """Return the operation after one message of its deployment.

    Messages of other operations change nothing, nor do those that only a newer release can read.
    """
    changes = _changes(stored.readable, operation.id)
    if changes.get("state") in TERMINAL_OPERATIONS:
        changes["ended_at"] = stored.envelope.time
    return operation.model_copy(update=changes)


def _changes(message: AnyMessage | None, identifier: str) -> dict[str, object]:
    match message:
        case ReleaseCreated(operation=operation, release=number) if operation == identifier:
            return {"release": number}
        case OperationStarted(operation=operation) if operation == identifier:
            return {"state": OperationState.RUNNING}
        case OperationSucceeded(operation=operation) if operation == identifier:
            return {"state": OperationState.SUCCEEDED}
        case OperationFailed(operation=operation, failure=failure) if operation == identifier:
            return {"state": OperationState.FAILED, "failure": failure}
        case OperationSuperseded(operation=operation, by_operation=newer) if operation == identifier:
            return {"state": OperationState.SUPERSEDED, "superseded_by": newer}
        case OperationCanceled(operation=operation) if operation == identifier:
            return {"state": OperationState.CANCELED}
        case _:
            return {}


def overdue(operation: Operation, *, now: datetime) -> Overdue | None:
    """Say whether this operation should have ended, and who owes that.

    A deploy that waits for its build is not overdue by itself: the build's own operation is.
    """
    if operation.state in TERMINAL_OPERATIONS:
        return None
    due = _due(operation)
    if due is None or now <= due:
        return None
    return Overdue(since=due, owed_by="builder" if operation.kind in _BUILDER_KINDS else "deployer")


def _due(operation: Operation) -> datetime | None:
    if operation.deadline_at is not None:
        return operation.deadline_at
    of_builder = operation.kind in _BUILDER_KINDS
    if operation.state is OperationState.PENDING and not of_builder:
        return operation.created_at + UNTAKEN
    if operation.build is not None and not of_builder:
        return None
    return operation.created_at + PATIENCE
