"""What the log says of a build, and which label its version gets."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from slipway_builder.journal.build_record import BuildRecord
from slipway_builder.journal.labels import free_label
from slipway_chassis.stored import Stored
from slipway_contracts.codec import encode
from slipway_contracts.envelope import Envelope, new_id
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildStarted, BuildStepStarted
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import BuildState
from slipway_contracts.subjects import of

MINE, OTHER = new_id(), new_id()
TIME = datetime(2026, 11, 21, tzinfo=UTC)


def started(build: str = MINE) -> BuildStarted:
    source = "sha256:" + "0" * 64
    return BuildStarted(
        group="default", deployment="digits", build=build, source=source, by="ada", deadline_at=TIME
    )


def stepped(build: str = MINE) -> BuildStepStarted:
    return BuildStepStarted(group="default", deployment="digits", build=build, step="code")


def canceled(build: str = MINE) -> BuildCanceled:
    return BuildCanceled(group="default", deployment="digits", build=build, by="ada")


def failed(build: str = MINE) -> BuildFailed:
    failure = FailureRecord(
        stage=Stage.BUILD, reason=Reason.BUILD_FAILED, message="broken", hint="Repair it.", at=TIME
    )
    return BuildFailed(group="default", deployment="digits", build=build, failure=failure)


def log_of(*messages: BuildStarted | BuildStepStarted | BuildCanceled | BuildFailed) -> list[Stored]:
    return [
        Stored(
            subject=of(message),
            sequence=100 + number,
            time=TIME,
            headers=Envelope(
                id=f"event-{number}",
                type=message.type,
                source="/slipway/builder",
                subject="default/digits",
                time=TIME,
                causation_id=f"command-{number}",
            ).to_headers(),
            data=encode(message),
        )
        for number, message in enumerate(messages)
    ]


def test_a_build_without_events_is_queued_and_expects_what_was_there() -> None:
    record = BuildRecord.fold(MINE, [], sequence=42)

    assert (record.state, record.runs, record.sequence) == (BuildState.QUEUED, 0, 42)
    assert not record.ended


def test_the_last_builder_that_began_owns_the_build() -> None:
    record = BuildRecord.fold(MINE, log_of(started(), stepped(), started(), stepped()), sequence=0)

    assert (record.state, record.runs, record.owner) == (BuildState.RUNNING, 2, "event-2")
    assert record.sequence == 103


def test_events_of_other_builds_move_the_position_only() -> None:
    record = BuildRecord.fold(MINE, log_of(started(OTHER), failed(OTHER)), sequence=0)

    assert (record.state, record.runs, record.sequence) == (BuildState.QUEUED, 0, 101)


def test_the_first_end_stays_whatever_comes_after_it() -> None:
    record = BuildRecord.fold(MINE, log_of(started(), canceled(), failed(), started()), sequence=0)

    assert (record.state, record.ended_by, record.runs) == (BuildState.CANCELED, "command-1", 1)


@pytest.mark.parametrize("broken", [{"data": b"{}"}, {"headers": {}}])
def test_an_event_that_cannot_be_read_moves_the_position_only(broken: dict[str, Any]) -> None:
    first, second = log_of(started(), failed())

    record = BuildRecord.fold(MINE, [first, replace(second, **broken)], sequence=0)

    assert (record.state, record.sequence) == (BuildState.RUNNING, second.sequence)


@pytest.mark.parametrize(
    ("taken", "label"),
    [
        (set(), "20261121.1"),
        ({"20261121.1", "20261121.2"}, "20261121.3"),
        ({"20261121.2", "stable"}, "20261121.1"),
        ({"20261120.1"}, "20261121.1"),
    ],
)
def test_the_next_label_of_a_day_is_the_smallest_that_is_free(taken: set[str], label: str) -> None:
    assert free_label(frozenset(taken), TIME) == label
