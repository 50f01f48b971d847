"""The folds of a build, its steps, and the version that it makes."""

from slipway_contracts.commands import Build
from slipway_contracts.events import (
    BuildCanceled,
    BuildEvent,
    BuildFailed,
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    ReleaseStarting,
    VersionHidden,
    VersionRemoved,
)
from slipway_contracts.lifecycle import BUILD_MOVES, BuildState

from slipway_store.rows import BuildRow, BuildStep, StepState, VersionRow
from slipway_store.told import Told

Steps = tuple[BuildStep, ...]


def accepted(row: BuildRow | None, command: Build, logged: Told) -> BuildRow:
    """Begin a build."""
    return row or BuildRow(
        id=logged.id,
        group=command.group,
        deployment=command.deployment,
        state=BuildState.QUEUED,
        source=command.source,
        label=command.label,
        created_at=logged.time,
        created_by=command.by,
        deadline_at=command.deadline_at,
        accepted=logged.sequence,
        sequence=logged.sequence,
    )


def fold(row: BuildRow | None, event: BuildEvent, logged: Told) -> BuildRow | None:
    """Fold an event of this build; a move that the table does not allow changes nothing."""
    if row is None:
        return None
    match event:
        case BuildStarted():
            return _started(row, event, logged)
        case BuildStepStarted():
            return _stepped(row, BuildStep(name=event.step, state=StepState.RUNNING), logged)
        case BuildStepFinished():
            done = BuildStep(
                name=event.step, state=StepState.SUCCEEDED, seconds=event.seconds, detail=event.detail
            )
            return _stepped(row, done, logged)
        case BuildSucceeded():
            made: dict[str, object] = {"version_id": event.version.id, "label": event.version.label}
            return _ended(row, BuildState.SUCCEEDED, StepState.SUCCEEDED, logged, made)
        case BuildFailed():
            return _ended(row, BuildState.FAILED, StepState.FAILED, logged, {"failure": event.failure})
        case BuildCanceled():
            return _ended(row, BuildState.CANCELED, StepState.CANCELED, logged, {})


def version(row: VersionRow | None, event: BuildSucceeded, logged: Told) -> VersionRow:
    """Keep the version that a build made; the first of an id stays."""
    return row or VersionRow(
        id=event.version.id,
        group=event.group,
        deployment=event.deployment,
        label=event.version.label,
        body=event.version,
        created_at=event.version.created_at,
        created_by=event.version.created_by,
        made=logged.sequence,
        sequence=logged.sequence,
    )


def version_changed(
    row: VersionRow | None, event: VersionRemoved | VersionHidden | ReleaseStarting, logged: Told
) -> VersionRow | None:
    """Fold what becomes of a version that a build made."""
    if row is None:
        return None
    match event:
        case VersionRemoved():
            changes: dict[str, object] = {"removed_at": logged.time, "leftovers": event.leftovers}
        case VersionHidden():
            changes = {"hidden": event.hidden}
        case ReleaseStarting():
            changes = {"used_at": logged.time, "used_by": event.release}
    return row.model_copy(update={**changes, "sequence": logged.sequence})


def _started(row: BuildRow, event: BuildStarted, logged: Told) -> BuildRow:
    """Begin to run, or begin again: a builder that takes over does all steps anew."""
    if row.state is not BuildState.RUNNING and BuildState.RUNNING not in BUILD_MOVES[row.state]:
        return row
    changes = {
        "state": BuildState.RUNNING,
        "started_at": row.started_at or logged.time,
        "deadline_at": event.deadline_at,
        "steps": (),
        "sequence": logged.sequence,
    }
    return row.model_copy(update=changes)


def _stepped(row: BuildRow, step: BuildStep, logged: Told) -> BuildRow:
    if row.state is not BuildState.RUNNING:
        return row
    return row.model_copy(update={"steps": _with(row.steps, step), "sequence": logged.sequence})


def _with(steps: Steps, step: BuildStep) -> Steps:
    if all(known.name != step.name for known in steps):
        return (*steps, step)
    return tuple(step if known.name == step.name else known for known in steps)


def _ended(
    row: BuildRow, state: BuildState, step: StepState, logged: Told, changes: dict[str, object]
) -> BuildRow:
    if state not in BUILD_MOVES[row.state]:
        return row
    steps = tuple(
        each.model_copy(update={"state": step}) if each.state is StepState.RUNNING else each
        for each in row.steps
    )
    ended = {"state": state, "ended_at": logged.time, "steps": steps, "sequence": logged.sequence}
    return row.model_copy(update=ended | changes)
