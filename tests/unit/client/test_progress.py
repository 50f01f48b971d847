from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slipway.event_stream import Event
from slipway.progress import Mark, Progress, Step, spoken

BEGIN = datetime(2026, 11, 21, 3, tzinfo=UTC)
VERSION = {"label": "20261121.1", "notices": []}
FAILURE = {"stage": "start", "reason": "ReplicaExited", "message": "It exited.", "hint": "Read its log."}


def make_event(kind: str, *, after: float = 0.0, **data: Any) -> Event:
    return Event(sequence=1, type=f"{kind}.v1", data=data, time=BEGIN + timedelta(seconds=after))


def created(*, release: int = 3, build: str | None = None, replicas: int = 1) -> Event:
    return make_event("release.created", release=release, build=build, config={"replicas": replicas})


def starting(*, after: float = 0.0, release: int = 3, endpoints: Sequence[object] = ()) -> Event:
    return make_event(
        "release.starting",
        after=after,
        release=release,
        version=VERSION | {"endpoints": endpoints},
        workloads={"predict": "w1", "greet": "w2"},
    )


def replica(
    state: str, *, after: float = 0.0, endpoint: str = "predict", replica: str = "0-1", **data: Any
) -> Event:
    told = {"workload": "w1", **data}
    return make_event("replica", after=after, state=state, endpoint=endpoint, replica=replica, **told)


def steps(*events: Event) -> list[Step]:
    progress = Progress()
    return [step for event in events for step in progress.take(event)]


def test_a_build_shows_each_step_with_its_own_time_and_what_it_did() -> None:
    shown = steps(
        make_event("build.started", build="b", by="builder-1"),
        make_event("build.step-started", build="b", step="dependencies"),
        make_event("build.step-finished", build="b", step="dependencies", seconds=1.25, detail="reused"),
        make_event("build.succeeded", build="b", version=VERSION, seconds=1.5),
    )

    assert shown == [
        Step(part="build", text="dependencies", seconds=1.25, detail="reused"),
        Step(part="build", text="version made", seconds=1.5, detail="20261121.1"),
    ]


def test_a_release_shows_the_time_from_each_step_to_the_next() -> None:
    shown = steps(
        created(),
        starting(after=0.5),
        make_event("release.ready", after=2.0, release=3),
        make_event("release.live", after=2.25, release=3, seconds=2.25),
    )

    assert [(step.part, step.text, step.seconds) for step in shown] == [
        ("release 3", "starting", 0.5),
        ("release 3", "ready", 1.5),
        ("release 3", "live", 0.25),
    ]


def test_the_time_of_the_build_is_not_counted_to_the_release() -> None:
    shown = steps(
        created(build="b"),
        make_event("build.succeeded", after=60, build="b", version=VERSION, seconds=59.9),
        starting(after=60.125),
    )

    assert shown[-1].seconds == pytest.approx(0.125)


def test_what_is_waited_for_counts_the_replicas_that_are_ready() -> None:
    progress = Progress()
    seen = []

    for event in (
        created(replicas=2),
        starting(),
        replica("ready"),
        replica("ready", replica="1-1"),
        replica("unready"),
        replica("ready", endpoint="greet", workload="w2"),
        make_event("release.ready", release=3),
        replica("ready", endpoint="greet", workload="w2", replica="1-1"),
    ):
        progress.take(event)
        seen.append(progress.running)

    assert seen == [
        "release 3",
        "release 3: 0 of 4 replicas ready",
        "release 3: 1 of 4 replicas ready",
        "release 3: 2 of 4 replicas ready",
        "release 3: 1 of 4 replicas ready",
        "release 3: 2 of 4 replicas ready",
        "release 3: waits for the gateways",
        "release 3: waits for the gateways",
    ]


def test_replicas_that_are_shared_with_what_served_before_are_ready_from_the_start() -> None:
    progress = Progress(ready={("w1", "0-1"), ("w1", "1-1"), ("another", "0-1")})

    for event in (created(replicas=20), starting(), replica("ready", replica="2-1"), replica("unready")):
        progress.take(event)

    assert progress.running == "release 3: 2 of 40 replicas ready"


def test_an_endpoint_with_a_fixed_port_counts_as_one_replica() -> None:
    progress = Progress()
    endpoints = [{"name": "predict", "fixed_port": 8080}, {"name": "greet", "fixed_port": None}]

    for each in (created(replicas=3), starting(endpoints=endpoints)):
        progress.take(each)

    assert progress.running == "release 3: 0 of 4 replicas ready"


def test_replicas_that_take_long_are_counted_aloud_now_and_then() -> None:
    shown = steps(
        created(replicas=5),
        starting(after=0.1),
        *(replica("ready", after=number, replica=f"{number}-1") for number in range(5)),
        replica("unready", after=4.5, replica="4-1"),
        make_event("release.ready", after=9, release=3),
        replica("ready", after=20, endpoint="greet", workload="w2"),
    )

    assert [(step.text, step.mark) for step in shown[1:-1]] == [
        ("4 of 10 replicas ready", Mark.NOTE),
    ]


def test_a_replica_that_ends_on_the_way_is_told_at_once() -> None:
    by_code = steps(created(), starting(), replica("exited", exit_code=1))[-1]
    by_signal = steps(created(), starting(), replica("exited", signal="SIGKILL"))[-1]

    assert (by_code.mark, by_code.detail) == (Mark.NOTE, "predict 0-1 with code 1")
    assert by_signal.detail == "predict 0-1 by SIGKILL"


@pytest.mark.parametrize(
    ("event", "text", "detail"),
    [
        (make_event("build.failed", build="b", failure=FAILURE), "failed", "ReplicaExited"),
        (make_event("build.canceled", build="b", by="ada"), "canceled", "by ada"),
        (make_event("release.failed", release=3, failure=FAILURE), "failed", "ReplicaExited"),
        (make_event("release.superseded", release=3, by_operation="x"), "superseded", "by a newer command"),
        (make_event("release.canceled", release=3, by="ada"), "canceled", "by ada"),
    ],
)
def test_every_bad_end_is_marked_as_one(event: Event, text: str, detail: str) -> None:
    (step,) = steps(event)

    assert (step.text, step.detail, step.mark) == (text, detail, Mark.FAILED)


def test_an_event_of_a_kind_that_is_not_known_yet_changes_nothing() -> None:
    assert steps(make_event("quota.admitted", release=3)) == []


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.004, "0.00 s"), (0.25, "0.25 s"), (12.34, "12.3 s"), (61, "1 min 1 s")]
)
def test_durations_are_spoken_as_people_do(seconds: float, expected: str) -> None:
    assert spoken(seconds) == expected


def test_an_alias_that_moves_says_where_and_that_the_gateways_are_waited_for() -> None:
    progress = Progress()
    shares = [{"release": 3, "weight": 90}, {"release": 4, "weight": 10}]

    (step,) = progress.take(make_event("traffic.shifted", alias="canary", shares=shares))
    (gone,) = progress.take(make_event("traffic.shifted", alias="canary", shares=[]))

    assert (step.part, step.text, step.detail) == ("alias", "canary moves", "to 3=90 4=10")
    assert gone.detail == "to nothing"
    assert progress.running == "alias canary: waits for the gateways"


@pytest.mark.parametrize(("pinned", "text"), [(True, "pinned"), (False, "unpinned")])
def test_a_pin_says_whether_it_was_put_or_taken(pinned: bool, text: str) -> None:
    (step,) = steps(make_event("release.pinned", release=2, pinned=pinned, by="ada"))

    assert step.text == text
