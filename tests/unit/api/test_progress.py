"""Operations folded from the log, and what is overdue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slipway_api.answers import progress
from slipway_api.answers.views import Operation
from slipway_chassis.stored import Stored
from slipway_contracts.codec import AnyMessage, encode
from slipway_contracts.commands import Build, CancelBuild, Deploy, Stop
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS, OperationState
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import Move, ReleaseRequest, TrafficShare

AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = {"group": "default", "deployment": "digits"}
COMMAND = {**OWNER, "by": "ada", "request_digest": "x"}
OURS, OTHER, BUILD = derived_id("ours"), derived_id("other"), derived_id("build")
FAILURE = FailureRecord(
    stage=Stage.START, reason=Reason.REPLICA_EXITED, message="It exited.", hint="Look.", at=AT
)


def make_operation(**overrides: Any) -> Operation:
    values = {
        "id": OURS,
        "kind": "deploy",
        "state": OperationState.PENDING,
        **OWNER,
        "created_at": AT,
        "created_by": "ada",
    }
    return Operation(**(values | overrides))


def stored(message: AnyMessage) -> Stored:
    envelope = Envelope(id=OTHER, type=message.type, source="/s", subject="s", time=AT)
    return Stored(subject="s", sequence=1, time=AT, headers=envelope.to_headers(), data=encode(message))


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (OperationStarted(**OWNER, operation=OURS), {"state": OperationState.RUNNING}),
        (OperationSucceeded(**OWNER, operation=OURS), {"state": OperationState.SUCCEEDED}),
        (
            OperationFailed(**OWNER, operation=OURS, failure=FAILURE),
            {"state": OperationState.FAILED, "failure": FAILURE},
        ),
        (
            OperationSuperseded(**OWNER, operation=OURS, by_operation=OTHER),
            {"state": OperationState.SUPERSEDED, "superseded_by": OTHER},
        ),
        (OperationCanceled(**OWNER, operation=OURS, by="ada"), {"state": OperationState.CANCELED}),
        (
            ReleaseCreated(
                **OWNER,
                release=3,
                operation=OURS,
                cause="deploy",
                build=BUILD,
                config=ReleaseConfig(),
                by="ada",
            ),
            {"release": 3},
        ),
    ],
)
def test_an_operation_moves_by_its_own_events_only(message: Any, changes: dict[str, object]) -> None:
    operation = make_operation()
    foreign = message.model_copy(update={"operation": OTHER})

    moved = progress.fold(operation, stored(message))

    ended_at = AT if changes.get("state") in TERMINAL_OPERATIONS else None
    assert moved == operation.model_copy(update=changes | {"ended_at": ended_at})
    assert progress.fold(operation, stored(foreign)) == operation


def test_a_command_tells_which_build_it_is_about() -> None:
    request = ReleaseRequest(build=BUILD)
    commands: list[tuple[Any, str | None]] = [
        (Build(**COMMAND, source=f"sha256:{1:064x}", deadline_at=AT), OURS),
        (CancelBuild(**COMMAND, build=BUILD), BUILD),
        (Deploy(**COMMAND, request=request), BUILD),
        (Stop(**COMMAND), None),
    ]

    for command, build in commands:
        assert progress.accepted(command, identifier=OURS, at=AT).build == build


@pytest.mark.parametrize(
    ("operation", "late", "owed_by"),
    [
        ({}, progress.UNTAKEN, "deployer"),
        ({"kind": "deploy", "build": BUILD}, progress.UNTAKEN, "deployer"),
        ({"kind": "cancel", "state": OperationState.RUNNING}, progress.PATIENCE, "deployer"),
        ({"kind": "build", "build": OURS}, progress.PATIENCE, "builder"),
        ({"kind": "deploy", "deadline_at": AT + timedelta(hours=1)}, timedelta(hours=1), "deployer"),
    ],
)
def test_what_lasts_too_long_names_the_service_that_owes_its_end(
    operation: dict[str, Any], late: timedelta, owed_by: str
) -> None:
    unfinished = make_operation(**operation)

    assert progress.overdue(unfinished, now=AT + late) is None
    found = progress.overdue(unfinished, now=AT + late + timedelta(seconds=1))
    assert found is not None
    assert (found.since, found.owed_by) == (AT + late, owed_by)


@pytest.mark.parametrize(
    "operation",
    [
        {"kind": "deploy", "build": BUILD, "state": OperationState.RUNNING},
        *({"state": state} for state in TERMINAL_OPERATIONS),
    ],
)
def test_an_end_or_a_wait_for_a_build_is_never_overdue(operation: dict[str, Any]) -> None:
    assert progress.overdue(make_operation(**operation), now=AT + timedelta(days=9)) is None


def test_a_stop_or_a_move_has_the_deadline_that_the_deployer_gave_it() -> None:
    later, last = (AT + timedelta(hours=hours) for hours in (1, 2))
    shares = (TrafficShare(release=1, weight=100),)
    moves = tuple(
        Move(alias=alias, shares=shares, operation=OTHER, created_at=AT, by="ada", deadline_at=deadline)
        for alias, deadline in (("live", later), ("staging", last))
    )

    desired = Desired(**OWNER, position=1, ending=OURS, ending_deadline_at=later, moves=moves)

    assert progress.deadline_of(OURS, desired) == later
    assert progress.deadline_of(OTHER, desired) == last
    assert progress.deadline_of(BUILD, desired) is None
    assert progress.deadline_of(OURS, None) is None
