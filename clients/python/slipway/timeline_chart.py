"""A timeline as lines of plain text: a name, a time and a bar per stage. Pure; it prints nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway.progress import spoken
from slipway.timeline_documents import Timeline, TimelineStep

WIDTH: Final = 40
_ENDS: Final = {"RUNNING": ">", "FAILED": "x", "SUPERSEDED": "x", "CANCELED": "x"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the chart; `state` is the stage's."""

    text: str
    state: str


def chart(timeline: Timeline, *, width: int = WIDTH) -> list[Line]:
    """Return a line per stage and per step of the build; bars are drawn to one scale.

    What runs ends in `>`, what did not end well in `x`; what took no time that can be seen is a `|`.

    Args:
        timeline: as the API has it.
        width: characters of the longest bar.
    """
    entries = list(_entries(timeline))
    scale = max((_offset(timeline.started_at, each) + each.seconds for _, each in entries), default=0.0)
    widest = max((len(name) for name, _ in entries), default=0)
    lines = []
    for name, entry in entries:
        began = _offset(timeline.started_at, entry)
        bar = _bar(began, entry, scale=scale, width=width)
        text = f"{name:<{widest}}  {spoken(entry.seconds):>9}  {bar:<{width + 1}}  {entry.detail}"
        lines.append(Line(text=text.rstrip(), state=entry.state))
    return lines


def _entries(timeline: Timeline) -> Iterator[tuple[str, TimelineStep]]:
    for stage in timeline.stages:
        yield stage.name, stage
        for step in stage.steps:
            yield f"  {step.name}", step


def _offset(start: datetime, entry: TimelineStep) -> float:
    return max(0.0, (entry.started_at - start).total_seconds())


def _bar(began: float, entry: TimelineStep, *, scale: float, width: int) -> str:
    if scale <= 0:
        return "|"
    first = min(round(began / scale * width), width - 1)
    length = min(round(entry.seconds / scale * width), width - first)
    drawn = "=" * length or "|"
    end = _ENDS.get(entry.state)
    return " " * first + (drawn if end is None else drawn[:-1] + end)
