"""Operations as the client sees them: from a row of the projection, or folded from messages of the log.

Pure. Also says when a transient state has lasted too long, and who owes its end.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from slipway_chassis.stored import Stored
from slipway_contracts.codec import MESSAGE_TYPES, AnyMessage
from slipway_contracts.commands import Build, CancelBuild, Command, Deploy, Redeploy, Start
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
)
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS, OperationState
from slipway_store.rows import OperationRow

from slipway_api.views import Operation, Overdue

PATIENCE: Final = timedelta(minutes=5)
"""For an operation without a deadline of its own: a stop, a delete, a cancel, one that nobody took yet."""

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


def from_row(row: OperationRow, *, now: datetime | None = None) -> Operation:
    """Return the operation of a row, with what is overdue."""
    operation = Operation.model_validate(row)
    return operation.model_copy(update={"overdue": overdue(operation, now=now or datetime.now(UTC))})


def fold(operation: Operation, stored: Stored) -> Operation:
    """Return the operation after one message of its deployment.

    Messages of other operations change nothing, nor do those of a type that only a newer release knows.
    """
    if stored.envelope.type not in MESSAGE_TYPES:
        return operation
    changes = _changes(stored.message, operation.id)
    if changes.get("state") in TERMINAL_OPERATIONS:
        changes["ended_at"] = stored.envelope.time
    return operation.model_copy(update=changes)


def _changes(message: AnyMessage, identifier: str) -> dict[str, object]:
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
    waits_for_build = operation.build is not None and operation.kind not in _BUILDER_KINDS
    if operation.deadline_at is None and waits_for_build:
        return None
    due = operation.deadline_at or operation.created_at + PATIENCE
    if now <= due:
        return None
    return Overdue(since=due, owed_by="builder" if operation.kind in _BUILDER_KINDS else "deployer")
