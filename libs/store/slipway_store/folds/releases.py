"""The fold of a release: its way through the table of allowed moves, and when."""

from datetime import datetime

from slipway_contracts.events import (
    ReleaseCanceled,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseEvent,
    ReleaseFailed,
    ReleaseLive,
    ReleasePinned,
    ReleaseReady,
    ReleaseRetired,
    ReleaseStarting,
    ReleaseSuperseded,
)
from slipway_contracts.lifecycle import RELEASE_MOVES, ReleaseState

from slipway_store.rows import ReleaseRow
from slipway_store.told import Told


def fold(row: ReleaseRow | None, event: ReleaseEvent, logged: Told) -> ReleaseRow | None:  # noqa: C901
    """Fold an event of this release; a move that the table does not allow changes nothing."""
    if row is None:
        return _created(event, logged) if isinstance(event, ReleaseCreated) else None
    at = logged.time
    match event:
        case ReleaseCreated():
            return row
        case ReleaseStarting():
            return _moved(row, logged, ReleaseState.STARTING, _started(event, at))
        case ReleaseReady():
            return _moved(row, logged, ReleaseState.READY, {"ready_at": at})
        case ReleaseLive():
            return _moved(row, logged, ReleaseState.LIVE, {"live_at": at, "retired_at": None})
        case ReleaseDraining():
            return _moved(row, logged, ReleaseState.DRAINING, {})
        case ReleaseRetired():
            return _moved(row, logged, ReleaseState.RETIRED, {"retired_at": at})
        case ReleaseFailed():
            ended = {"ended_at": at, "failure": event.failure}
            return _moved(row, logged, ReleaseState.FAILED, ended)
        case ReleaseSuperseded():
            return _moved(row, logged, ReleaseState.SUPERSEDED, {"ended_at": at})
        case ReleaseCanceled():
            return _moved(row, logged, ReleaseState.CANCELED, {"ended_at": at})
        case ReleasePinned():
            return row.model_copy(update={"pinned": event.pinned, "sequence": logged.sequence})


def _created(event: ReleaseCreated, logged: Told) -> ReleaseRow:
    return ReleaseRow(
        group=event.group,
        deployment=event.deployment,
        number=event.release,
        state=ReleaseState.PENDING,
        operation=event.operation,
        cause=event.cause,
        alias=event.alias,
        copy_of=event.copy_of,
        instance_type=event.config.instance_type,
        version=event.version,
        version_id=event.version.id if event.version else None,
        version_label=event.version.label if event.version else None,
        build=event.build,
        config=event.config,
        created_at=logged.time,
        created_by=event.by,
        sequence=logged.sequence,
    )


def _started(event: ReleaseStarting, at: datetime) -> dict[str, object]:
    return {
        "version": event.version,
        "version_id": event.version.id,
        "version_label": event.version.label,
        "workloads": event.workloads,
        "started_at": at,
        "deadline_at": event.deadline_at,
    }


def _moved(row: ReleaseRow, logged: Told, state: ReleaseState, changes: dict[str, object]) -> ReleaseRow:
    if state not in RELEASE_MOVES[row.state]:
        return row
    return row.model_copy(update={**changes, "state": state, "sequence": logged.sequence})
