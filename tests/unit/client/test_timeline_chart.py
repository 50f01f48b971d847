"""A timeline as lines of plain text."""

from typing import Any

from slipway.timeline_chart import chart
from slipway.timeline_documents import Timeline

START = "2026-01-01T00:00:{:06.3f}Z"


def stage(name: str, began: float, seconds: float, state: str = "DONE", **members: Any) -> dict[str, Any]:
    times = {"started_at": START.format(began), "seconds": seconds}
    return {"name": name, "state": state, "detail": "", **times, **members}


def timeline(*stages: dict[str, Any]) -> Timeline:
    document = {
        "operation": "x",
        "kind": "deploy",
        "state": "RUNNING",
        "deployment": "digits",
        "started_at": START.format(0),
        "seconds": 10,
        "stages": stages,
    }
    return Timeline.model_validate(document)


def lines(*stages: dict[str, Any], width: int = 10) -> list[str]:
    return [line.text for line in chart(timeline(*stages), width=width)]


def test_bars_lie_where_their_stages_lie_in_time() -> None:
    drawn = lines(
        stage("accepted", 0, 2),
        stage("built", 2, 6, steps=[stage("code", 4, 2, detail="1 layer")]),
        stage("live", 8, 2),
    )

    assert drawn == [
        "accepted      2.0 s  ==",
        "built         6.0 s    ======",
        "  code        2.0 s      ==       1 layer",
        "live          2.0 s          ==",
    ]


def test_what_runs_and_what_failed_is_seen_without_colours() -> None:
    assert lines(stage("built", 0, 10, "RUNNING"))[0].endswith("  =========>")
    assert lines(stage("built", 0, 10, "FAILED"))[0].endswith("  =========x")
    assert lines(stage("built", 0, 10), stage("ready", 10, 0, "SUPERSEDED"))[1].endswith(" x")


def test_what_took_no_time_is_seen_and_no_line_is_wider_than_the_longest() -> None:
    drawn = lines(stage("built", 0, 50), stage("shifted", 50, 0), stage("live", 50, 0.001))

    assert drawn[1:] == ["shifted     0.00 s           |", "live        0.00 s           |"]


def test_a_timeline_without_any_time_has_no_scale() -> None:
    assert lines(stage("accepted", 0, 0)) == ["accepted     0.00 s  |"]
