"""Where the time of an operation went, as the client sees it."""

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field
from slipway_contracts.lifecycle import OperationState

from slipway_api.answers.views import View


class StageName(StrEnum):
    """The stages of operations, each named after what is so at its end."""

    ACCEPTED = "accepted"
    BUILT = "built"
    DECIDED = "decided"
    STARTED = "started"
    ANSWERING = "answering"
    SMOKE_TESTED = "smoke-tested"
    READY = "ready"
    SHIFTED = "shifted"
    LIVE = "live"
    APPLIED = "applied"
    DRAINED = "drained"
    ENDED = "ended"


class StageState(StrEnum):
    """How far a stage is, or how it ended."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    CANCELED = "CANCELED"


class TimelineStep(View):
    """A step of the build."""

    name: str = Field(examples=["dependencies"])
    state: StageState
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    seconds: float = Field(description="Until now, while it runs.")
    detail: str = ""


class TimelineStage(View):
    """A part of an operation's time."""

    name: StageName
    state: StageState
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    seconds: float = Field(description="Until now, while it runs.")
    release: int | None = Field(default=None, description="Of `drained`: the release that was replaced.")
    detail: str = ""
    steps: list[TimelineStep] = Field(default_factory=list, description="Of `built`.")


class Timeline(View):
    """The stages of an operation, from the log alone.

    They follow one another without a gap; only `drained` stages lie beside others, and may last longer than
    the operation.
    """

    operation: str
    kind: str = Field(description="Verb of the command, as `deploy` or `stop`.")
    state: OperationState
    group: str
    deployment: str
    release: int | None = None
    cause: str | None = Field(
        default=None, description="Why that release was made, as `scale` or `rollback`; null: it made none."
    )
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    seconds: float = Field(description="From the command to the operation's end; until now, while it runs.")
    waits_for: str | None = Field(default=None, description="What has to happen next; null: it has ended.")
    owed_by: str | None = Field(
        default=None, description="Who has to do that: a service, or `replicas` for the deployed code."
    )
    stages: list[TimelineStage]


def seconds_between(began: datetime, end: datetime) -> float:
    """Return the time between, never negative: clocks of machines differ."""
    return round(max(0.0, (end - began).total_seconds()), 6)
