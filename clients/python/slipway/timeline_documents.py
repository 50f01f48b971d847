"""What the API answers about where the time of an operation went."""

from datetime import datetime

from slipway.documents import Document


class TimelineStep(Document):
    """A step of a build."""

    name: str
    state: str
    started_at: datetime
    seconds: float
    detail: str = ""


class TimelineStage(TimelineStep):
    """A part of an operation's time."""

    release: int | None = None
    steps: tuple[TimelineStep, ...] = ()


class Timeline(Document):
    """The stages of an operation; those without an end run."""

    operation: str
    kind: str
    state: str
    deployment: str
    release: int | None = None
    cause: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    seconds: float
    waits_for: str | None = None
    owed_by: str | None = None
    stages: tuple[TimelineStage, ...]
