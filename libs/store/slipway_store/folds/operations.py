"""The fold of an operation: an accepted command and what became of it."""

from typing import Final

from slipway_contracts.commands import Build, CancelBuild, Command, Deploy, Redeploy, RemoveVersions, Start
from slipway_contracts.events import (
    MessageDead,
    OperationCanceled,
    OperationEvent,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import OPERATION_MOVES, OperationState

from slipway_store.rows import OperationRow
from slipway_store.told import Told

_UNASKED: Final[str] = RemoveVersions.model_fields["type"].default
"""A command that no user sent: it has no operation."""


def accepted(row: OperationRow | None, command: Command, logged: Told) -> OperationRow:
    """Begin the operation of a command of a user."""
    return row or OperationRow(
        id=logged.id,
        group=command.group,
        deployment=command.deployment,
        kind=command.type.split(".")[1],
        state=OperationState.PENDING,
        request_digest=command.request_digest,
        created_at=logged.time,
        created_by=command.by,
        build=_build(command, logged),
        deadline_at=command.deadline_at if isinstance(command, Build) else None,
        accepted=logged.sequence,
        sequence=logged.sequence,
    )


def given_up(row: OperationRow | None, event: MessageDead, logged: Told) -> OperationRow | None:
    """Tell of a command that cannot be read, and so has no row: its user waits for an end all the same."""
    noun, _, kind = event.message_type.removesuffix(".v1").partition(".")
    if row is not None or noun != "command" or event.message_type == _UNASKED:
        return row
    failure = FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.MESSAGE_DEAD,
        message=f"The {event.service} gave up after {event.deliveries} deliveries: {event.error}",
        hint=f"See the message with: slipway dead show {event.sequence}",
        at=logged.time,
    )
    return OperationRow(
        id=event.message_id,
        group=event.group,
        deployment=event.deployment,
        kind=kind,
        state=OperationState.FAILED,
        request_digest="",
        created_at=logged.time,
        created_by="",
        failure=failure,
        ended_at=logged.time,
        accepted=event.sequence,
        sequence=logged.sequence,
    )


def released(row: OperationRow | None, event: ReleaseCreated, logged: Told) -> OperationRow | None:
    """Note the release that the operation made."""
    if row is None or row.release is not None:
        return row
    return row.model_copy(update={"release": event.release, "sequence": logged.sequence})


def fold(row: OperationRow | None, event: OperationEvent, logged: Told) -> OperationRow | None:
    """Fold an event of this operation; a move that the table does not allow changes nothing."""
    if row is None:
        return None
    match event:
        case OperationStarted():
            return _moved(row, OperationState.RUNNING, logged, {})
        case OperationSucceeded():
            return _ended(row, OperationState.SUCCEEDED, logged, {})
        case OperationFailed():
            return _ended(row, OperationState.FAILED, logged, {"failure": event.failure})
        case OperationSuperseded():
            return _ended(row, OperationState.SUPERSEDED, logged, {"superseded_by": event.by_operation})
        case OperationCanceled():
            return _ended(row, OperationState.CANCELED, logged, {})


def _build(command: Command, logged: Told) -> str | None:
    match command:
        case Build():
            return logged.id
        case CancelBuild():
            return command.build
        case Deploy() | Redeploy() | Start():
            return command.request.build
        case _:
            return None


def _ended(
    row: OperationRow, state: OperationState, logged: Told, changes: dict[str, object]
) -> OperationRow:
    return _moved(row, state, logged, {"ended_at": logged.time, **changes})


def _moved(
    row: OperationRow, state: OperationState, logged: Told, changes: dict[str, object]
) -> OperationRow:
    if state not in OPERATION_MOVES[row.state]:
        return row
    return row.model_copy(update={**changes, "state": state, "sequence": logged.sequence})
