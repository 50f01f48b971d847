from typing import Any

import pytest
from slipway.event_stream import Event
from slipway.tracking import Tracking

FAILURE = {"stage": "start", "reason": "ReplicaExited", "message": "It exited.", "hint": "Read its log."}


def make_event(kind: str, *, sequence: int = 1, **data: Any) -> Event:
    return Event(sequence=sequence, type=f"{kind}.v1", data=data)


def test_only_events_of_the_operation_its_build_and_its_release_are_its_own() -> None:
    tracking = Tracking(operation="mine", build="b1")

    own = [
        tracking.take(event)
        for event in (
            make_event("build.started", build="b1"),
            make_event("build.started", build="other"),
            make_event("release.created", release=4, operation="other"),
            make_event("release.created", release=5, operation="mine"),
            make_event("release.ready", release=4),
            make_event("release.starting", release=5, version={"label": "v1"}, workloads={"e": "w5"}),
            make_event("replica", workload="w4"),
            make_event("replica", workload="w5"),
            make_event("operation.started", operation="other"),
            make_event("operation.started", operation="mine"),
            make_event("traffic.shifted", shares=[]),
            make_event("command.stop", by="ada"),
        )
    ]

    assert own == [True, False, False, True, False, True, False, True, False, True, False, False]


def test_a_deploy_ends_with_its_release_and_its_version() -> None:
    tracking = Tracking(operation="mine", build="b1")

    tracking.take(make_event("build.succeeded", build="b1", version={"label": "20261121.1"}))
    tracking.take(make_event("release.created", release=5, operation="mine"))
    tracking.take(make_event("operation.succeeded", sequence=99, operation="mine"))

    assert tracking.outcome is not None
    assert tracking.outcome.succeeded
    assert tracking.outcome.as_json() == {
        "operation": "mine",
        "state": "SUCCEEDED",
        "sequence": 99,
        "release": 5,
        "version": "20261121.1",
    }


@pytest.mark.parametrize(
    ("kind", "data", "state"),
    [
        ("operation.failed", {"failure": FAILURE}, "FAILED"),
        ("operation.superseded", {"by_operation": "newer"}, "SUPERSEDED"),
        ("operation.canceled", {"by": "ada"}, "CANCELED"),
    ],
)
def test_every_other_end_keeps_what_explains_it(kind: str, data: dict[str, Any], state: str) -> None:
    tracking = Tracking(operation="mine")

    tracking.take(make_event(kind, operation="mine", **data))

    assert tracking.outcome is not None
    assert not tracking.outcome.succeeded
    assert tracking.outcome.as_json() == {"operation": "mine", "state": state, "sequence": 1, **data}


def test_the_end_of_another_operation_ends_nothing() -> None:
    tracking = Tracking(operation="mine")

    tracking.take(make_event("operation.failed", operation="other", failure=FAILURE))

    assert tracking.outcome is None


def test_the_end_of_a_build_waits_for_the_version_that_is_told_right_behind_it() -> None:
    tracking = Tracking(operation="b1", build="b1")

    tracking.take(make_event("operation.succeeded", sequence=24, operation="b1"))
    before = tracking.outcome
    tracking.take(make_event("build.succeeded", sequence=25, build="b1", version={"label": "v1"}))

    assert before is None
    assert tracking.outcome is not None
    assert (tracking.outcome.version, tracking.outcome.sequence) == ("v1", 24)


def test_a_build_that_failed_waits_for_no_version() -> None:
    tracking = Tracking(operation="b1", build="b1")

    tracking.take(make_event("operation.failed", operation="b1", failure=FAILURE))

    assert tracking.outcome is not None


def test_a_release_of_a_known_operation_brings_its_build_along() -> None:
    tracking = Tracking(operation="mine")

    tracking.take(make_event("release.created", release=1, operation="mine", build="b1"))

    assert tracking.take(make_event("build.step-started", build="b1", step="code"))


def caused(kind: str, *, by: str = "mine", **data: Any) -> Event:
    return Event(sequence=1, type=f"{kind}.v1", data=data, document={"correlationid": by})


def test_a_move_of_an_alias_shows_what_it_starts_and_where_it_leads() -> None:
    tracking = Tracking(operation="mine")

    own = [
        tracking.take(event)
        for event in (
            caused("release.starting", release=3, version={"label": "v1"}, workloads={}),
            caused("release.starting", by="other", release=4, version={"label": "v1"}, workloads={}),
            caused("traffic.shifted", alias="live", shares=[]),
            caused("traffic.shifted", by="other", alias="live", shares=[]),
        )
    ]

    assert own == [True, False, True, False]
    assert tracking.release is None
