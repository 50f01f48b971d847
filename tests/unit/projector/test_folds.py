from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from log_script import DIGEST, LATER, START, Script, make_failure, make_version
from slipway_chassis.stored import Stored
from slipway_contracts.codec import encode
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
    ReleaseSuperseded,
)
from slipway_contracts.lifecycle import (
    BUILD_MOVES,
    OPERATION_MOVES,
    RELEASE_MOVES,
    BuildState,
    OperationState,
    ReleaseState,
)
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_projector.logged import Logged, read
from slipway_store.folds import builds, operations, releases, replicas
from slipway_store.rows import BuildRow, BuildStep, OperationRow, ReleaseRow, ReplicaRow, StepState

OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}
RELEASE: dict[str, Any] = {**OWNER, "release": 1}
OPERATION: dict[str, Any] = {**OWNER, "operation": derived_id("o")}
BUILD: dict[str, Any] = {**OWNER, "build": derived_id("b")}
NEWER = derived_id("newer")


def logged(script: Script, position: int = -1) -> Logged:
    """Return a message of a script as it lies in the log."""
    outgoing = script.messages[position]
    sequence = len(script.messages) if position == -1 else position + 1
    headers = outgoing.envelope.to_headers()
    return read(Stored(outgoing.subject, sequence, START, headers, encode(outgoing.message)))


def said(message: Any) -> Logged:
    script = Script()
    script.say(message)
    return logged(script)


def make_starting() -> Any:
    script = Script()
    script.starting()
    return script.messages[0].message


RELEASE_EVENTS: dict[ReleaseState, Any] = {
    ReleaseState.STARTING: make_starting(),
    ReleaseState.READY: ReleaseReady(**RELEASE),
    ReleaseState.LIVE: ReleaseLive(**RELEASE, seconds=1.0),
    ReleaseState.DRAINING: ReleaseDraining(**RELEASE),
    ReleaseState.RETIRED: ReleaseRetired(**RELEASE),
    ReleaseState.FAILED: ReleaseFailed(**RELEASE, failure=make_failure()),
    ReleaseState.SUPERSEDED: ReleaseSuperseded(**RELEASE, by_operation=NEWER),
    ReleaseState.CANCELED: ReleaseCanceled(**RELEASE, by="ada"),
}
OPERATION_EVENTS: dict[OperationState, Any] = {
    OperationState.RUNNING: OperationStarted(**OPERATION),
    OperationState.SUCCEEDED: OperationSucceeded(**OPERATION),
    OperationState.FAILED: OperationFailed(**OPERATION, failure=make_failure()),
    OperationState.SUPERSEDED: OperationSuperseded(**OPERATION, by_operation=NEWER),
    OperationState.CANCELED: OperationCanceled(**OPERATION, by="ada"),
}
BUILD_EVENTS: dict[BuildState, Any] = {
    BuildState.RUNNING: BuildStarted(**BUILD, source=DIGEST, by="builder-1", deadline_at=LATER),
    BuildState.SUCCEEDED: BuildSucceeded(**BUILD, version=make_version(), seconds=1.0),
    BuildState.FAILED: BuildFailed(**BUILD, failure=make_failure()),
    BuildState.CANCELED: BuildCanceled(**BUILD, by="ada"),
}


def make_release(state: ReleaseState) -> ReleaseRow:
    script = Script()
    script.created(derived_id("o"))
    event = script.messages[0].message
    row = releases.fold(None, event, logged(script))  # type: ignore[arg-type]
    assert row is not None
    return row.model_copy(update={"state": state, "sequence": 0})


def make_operation(state: OperationState) -> OperationRow:
    script = Script()
    script.deploy()
    command = script.messages[0].message
    row = operations.accepted(None, command, logged(script))  # type: ignore[arg-type]
    return row.model_copy(update={"state": state, "sequence": 0})


def make_build(state: BuildState, **changes: Any) -> BuildRow:
    script = Script()
    script.ask_build()
    command = script.messages[0].message
    row = builds.accepted(None, command, logged(script))  # type: ignore[arg-type]
    return row.model_copy(update={"state": state, "sequence": 0, **changes})


@pytest.mark.parametrize(("state", "new"), [*product(ReleaseState, RELEASE_EVENTS)])
def test_a_release_moves_exactly_as_its_table_allows(state: ReleaseState, new: ReleaseState) -> None:
    row = make_release(state)
    event = RELEASE_EVENTS[new]

    after = releases.fold(row, event, said(event))

    if new in RELEASE_MOVES[state]:
        assert after is not None
        assert (after.state, after.sequence) == (new, 1)
    else:
        assert after is row


@pytest.mark.parametrize(("state", "new"), [*product(OperationState, OPERATION_EVENTS)])
def test_an_operation_moves_exactly_as_its_table_allows(state: OperationState, new: OperationState) -> None:
    row = make_operation(state)
    event = OPERATION_EVENTS[new]

    after = operations.fold(row, event, said(event))

    if new in OPERATION_MOVES[state]:
        assert after is not None
        assert (after.state, after.sequence) == (new, 1)
        assert (after.ended_at is None) == (new is OperationState.RUNNING)
    else:
        assert after is row


@pytest.mark.parametrize(("state", "new"), [*product(BuildState, BUILD_EVENTS)])
def test_a_build_moves_exactly_as_its_table_allows_and_may_be_taken_over(
    state: BuildState, new: BuildState
) -> None:
    row = make_build(state)
    event = BUILD_EVENTS[new]

    after = builds.fold(row, event, said(event))

    taken_over = state is new is BuildState.RUNNING
    if new in BUILD_MOVES[state] or taken_over:
        assert after is not None
        assert (after.state, after.sequence) == (new, 1)
    else:
        assert after is row


@pytest.mark.parametrize(
    "event", [*RELEASE_EVENTS.values(), *BUILD_EVENTS.values(), *OPERATION_EVENTS.values()]
)
def test_an_event_of_something_that_never_began_begins_nothing(event: Any) -> None:
    folds = {"release": releases.fold, "build": builds.fold, "operation": operations.fold}
    fold: Any = folds[event.type.partition(".")[0]]

    assert fold(None, event, said(event)) is None


def test_the_way_of_a_release_is_told_by_its_times() -> None:
    script = Script()
    script.deployed()
    row: ReleaseRow | None = None

    for position, outgoing in enumerate(script.messages):
        if outgoing.message.type.startswith("release."):
            row = releases.fold(row, outgoing.message, logged(script, position))  # type: ignore[arg-type]

    assert row is not None
    times = [row.created_at, row.started_at, row.ready_at, row.live_at]
    assert all(times)
    assert times == sorted(times)  # type: ignore[type-var]
    assert (row.state, row.version_label, row.deadline_at) == (ReleaseState.LIVE, "20260101.1", LATER)
    assert [*row.workloads] == ["predict"]


def test_a_release_that_goes_live_again_is_no_longer_retired() -> None:
    row = make_release(ReleaseState.DRAINING)
    retired = releases.fold(row, ReleaseRetired(**RELEASE), said(ReleaseRetired(**RELEASE)))
    live = ReleaseLive(**RELEASE, seconds=1.0)

    again = releases.fold(retired, live, said(live))

    assert retired is not None
    assert retired.retired_at is not None
    assert again is not None
    assert (again.state, again.retired_at) == (ReleaseState.LIVE, None)


def test_steps_of_a_build_are_listed_once_each_in_their_order() -> None:
    row: BuildRow | None = make_build(BuildState.RUNNING)
    for message in (
        BuildStepStarted(**BUILD, step="unpack"),
        BuildStepFinished(**BUILD, step="unpack", seconds=0.5, detail="3 files"),
        BuildStepStarted(**BUILD, step="resolve"),
    ):
        row = builds.fold(row, message, said(message))

    failed = BuildFailed(**BUILD, failure=make_failure())
    ended = builds.fold(row, failed, said(failed))

    assert row is not None
    assert row.steps == (
        BuildStep(name="unpack", state=StepState.SUCCEEDED, seconds=0.5, detail="3 files"),
        BuildStep(name="resolve", state=StepState.RUNNING),
    )
    assert ended is not None
    assert [step.state for step in ended.steps] == [StepState.SUCCEEDED, StepState.FAILED]
    assert ended.failure == make_failure()


def test_a_builder_that_takes_over_begins_the_steps_anew_and_keeps_the_start() -> None:
    step = BuildStep(name="unpack", state=StepState.RUNNING)
    row = make_build(BuildState.RUNNING, steps=(step,), started_at=START)
    event = BUILD_EVENTS[BuildState.RUNNING]

    after = builds.fold(row, event, said(event))

    assert after is not None
    assert (after.steps, after.started_at) == ((), START)


def test_steps_that_come_after_the_end_of_a_build_change_nothing() -> None:
    row = make_build(BuildState.CANCELED)
    event = BuildStepStarted(**BUILD, step="late")

    assert builds.fold(row, event, said(event)) is row


def observed(*facts: dict[str, Any]) -> ReplicaRow:
    script = Script()
    row: ReplicaRow | None = None
    for fact in facts:
        script.replica(**fact)
        row = replicas.fold(row, script.messages[-1].message, logged(script))  # type: ignore[arg-type]
    assert row is not None
    return row


def test_a_replica_that_is_gone_still_says_what_ended_it() -> None:
    row = observed(
        {"state": ReplicaState.STARTED, "transition": 1, "pid": 7, "started_at": START},
        {"state": ReplicaState.EXITED, "transition": 2, "exit_code": 0, "signal": None, "log_tail": ("bye",)},
        {"state": ReplicaState.GONE, "transition": 3},
    )

    assert row.state is ReplicaState.GONE
    assert (row.exit_code, row.log_tail, row.started_at) == (0, ("bye",), START)


def test_an_older_fact_or_a_late_one_of_an_older_monitor_changes_no_replica() -> None:
    ready = {"state": ReplicaState.READY, "transition": 4, "epoch": 2}
    late = {"state": ReplicaState.EXITED, "transition": 9, "epoch": 1}
    repeated = {"state": ReplicaState.GONE, "transition": 4, "epoch": 2}

    row = observed(ready, late, repeated)

    assert (row.state, row.epoch, row.sequence) == (ReplicaState.READY, 2, 1)


def test_a_new_monitor_may_state_the_same_transition_again() -> None:
    row = observed(
        {"state": ReplicaState.READY, "transition": 4, "epoch": 1},
        {"state": ReplicaState.UNREADY, "transition": 4, "epoch": 2, "at": LATER + timedelta(seconds=1)},
    )

    assert (row.state, row.epoch) == (ReplicaState.UNREADY, 2)
