"""Where the time of an operation went: the fold of the messages that followed its command. Pure.

A message belongs to the operation if its correlation id says so, or if it tells of the operation's build or
replicas. A release that is replaced drains under the operation that made it: it is known by the decision that
has both, for all messages of a decision have one time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from slipway_contracts import events
from slipway_contracts.codec import AnyMessage
from slipway_contracts.events import BuildEvent, OperationEvent
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS, OperationState
from slipway_contracts.replica import ReplicaFact
from slipway_store.rows import OperationRow

from slipway_api.answers.timeline_views import StageName, StageState, Timeline, seconds_between
from slipway_api.reading.timeline_stages import Rollout, Stage, Step

_ENDING: Final = frozenset({"stop", "delete", "purge"})
_IN_ANY_DECISION: Final = (*get_args(BuildEvent), events.ReleaseDraining, events.ReleaseRetired)
"""What is told under an operation also long after it, or by others than the deployer."""
_WAITS_FOR: Final = {
    StageName.ACCEPTED: ("the deployer to take the command", "deployer"),
    StageName.BUILT: ("the build", "builder"),
    StageName.DECIDED: ("the deployer to decide", "deployer"),
    StageName.STARTED: ("replicas to start", "deployer"),
    StageName.ANSWERING: ("replicas to answer", "replicas"),
    StageName.SMOKE_TESTED: ("smoke tests", "monitor"),
    StageName.READY: ("the deployer to find the release ready", "deployer"),
    StageName.SHIFTED: ("the deployer to move the alias", "deployer"),
    StageName.LIVE: ("the gateways to send requests there", "gateway"),
    StageName.APPLIED: ("the gateways to apply it", "gateway"),
    StageName.ENDED: ("requests to finish and replicas to go", "deployer"),
}


@dataclass(frozen=True, kw_only=True)
class TimedMessage:
    """A message of the log."""

    time: datetime
    correlation_id: str | None
    message: AnyMessage


def timeline(operation: OperationRow, messages: Iterable[TimedMessage], *, now: datetime) -> Timeline:
    """Return the stages of an operation.

    Args:
        operation: as the projection has it.
        messages: of its deployment, in the order of the log, from behind its command on.
        now: up to when what has not ended is counted.
    """
    fold = TimelineFold(operation)
    for told in messages:
        fold.take(told)
    return fold.result(now)


class TimelineFold:
    """Takes the messages one by one."""

    def __init__(self, operation: OperationRow) -> None:
        self._row = operation
        self._state: OperationState | None = None
        self._ended: datetime | None = None
        self._release = operation.release
        self._cause: str | None = None
        self._replicas = 0
        self._builds = operation.build is not None and operation.kind != "cancel-build"
        self._stages = [Stage(name=StageName.ACCEPTED, began=operation.created_at)]
        self._open: Stage | None = self._stages[0]
        self._rollout: Rollout | None = None
        self._draining: dict[int, Stage] = {}
        self._decided_at: datetime | None = None

    def is_complete_before(self, told: TimedMessage) -> bool:
        """Whether neither this message nor a later one changes it."""
        # A decision may go on behind the operation's end, and so does a build.
        if self._state is None or told.time == self._decided_at or isinstance(told.message, BuildEvent):
            return False
        return all(each.ended is not None for each in self._draining.values())

    def take(self, told: TimedMessage) -> None:
        """Fold one message; those of other operations change nothing."""
        message, at = told.message, told.time
        mine = told.correlation_id == self._row.id
        if mine and not isinstance(message, _IN_ANY_DECISION):
            self._decided_at = at
        if isinstance(message, events.ReleaseDraining) and at == self._decided_at:
            self._drains(message.release, at)
        elif isinstance(message, events.ReleaseRetired) and message.release in self._draining:
            self._draining[message.release].close(at)
        elif isinstance(message, events.BuildSucceeded) and self._state is not None:
            self._version_made(message)
        elif self._state is None:
            self._before_the_end(message, at, mine=mine)

    def _before_the_end(self, message: AnyMessage, at: datetime, *, mine: bool) -> None:
        if isinstance(message, BuildEvent):
            if self._builds and message.build == self._row.build:
                self._build(message, at)
        elif isinstance(message, ReplicaFact):
            if self._rollout is not None and message.workload in self._rollout.workloads:
                self._rollout.take(message, at)
        elif isinstance(message, OperationEvent):
            if message.operation == self._row.id:
                self._operation(message, at)
        elif mine:
            self._decided(message, at)

    def result(self, now: datetime) -> Timeline:
        """Return what is known now."""
        row = self._row
        state, ended = self._state or row.state, self._ended or row.ended_at
        stages = list(self._stages)
        if self._rollout is not None:
            stages += self._rollout.stages(None, StageState.RUNNING)
        waits_for, owed_by = (None, None) if state in TERMINAL_OPERATIONS else self._waits(stages)
        return Timeline(
            operation=row.id,
            kind=row.kind,
            state=state,
            group=row.group,
            deployment=row.deployment,
            release=self._release,
            cause=self._cause,
            started_at=row.created_at,
            ended_at=ended,
            seconds=seconds_between(row.created_at, ended or now),
            waits_for=waits_for,
            owed_by=owed_by,
            stages=[each.seen(now) for each in [*stages, *self._draining.values()]],
        )

    def _waits(self, stages: Sequence[Stage]) -> tuple[str, str]:
        current = stages[-1]
        if current.ended is not None:
            return "the deployer to end the operation", "deployer"
        what, owed_by = _WAITS_FOR[current.name]
        if current.name is StageName.ACCEPTED and (self._builds or self._row.kind == "cancel-build"):
            return "a builder to take the build", "builder"
        if current.steps and current.steps[-1].ended is None:
            return f"{what}: {current.steps[-1].name}", owed_by
        if self._rollout is not None and self._rollout.wanted:
            return f"{what}: {self._rollout.counted(current.name)} of {self._rollout.wanted}", owed_by
        return what, owed_by

    def _next(self, name: StageName, at: datetime) -> None:
        """End what runs, and begin this; it goes on where it runs already."""
        if self._open is not None and self._open.name is name:
            return
        self._close(at)
        self._open = Stage(name=name, began=self._reached(at))
        self._stages.append(self._open)

    def _close(self, at: datetime, state: StageState = StageState.DONE) -> None:
        if self._open is not None:
            self._open.close(at, state)
            self._open = None

    def _reached(self, at: datetime) -> datetime:
        """Return when the stage before ended: clocks of services may differ."""
        return max([at, *(each.ended for each in self._stages if each.ended is not None)])

    def _build(self, message: BuildEvent, at: datetime) -> None:
        self._next(StageName.BUILT, at)
        steps = self._stages[-1].steps
        match message:
            case events.BuildStarted():
                for step in steps:
                    step.close(at, StageState.CANCELED)
            case events.BuildStepStarted(step=name):
                steps.append(Step(name=name, began=at))
            case events.BuildStepFinished(step=name, detail=detail):
                for step in steps:
                    if step.name == name and step.ended is None:
                        step.detail = detail
                        step.close(at)
            case events.BuildSucceeded():
                self._version_made(message)
                self._build_ended(at, StageState.DONE)
            case events.BuildFailed(failure=failure):
                self._stages[-1].detail = failure.reason
                self._build_ended(at, StageState.FAILED)
            case events.BuildCanceled():
                self._build_ended(at, StageState.CANCELED)

    def _version_made(self, message: events.BuildSucceeded) -> None:
        """Note the version; of a build on its own that is told right behind the operation's end."""
        if message.build == self._row.build and self._stages[-1].name is StageName.BUILT:
            self._stages[-1].detail = f"version {message.version.label}"

    def _build_ended(self, at: datetime, state: StageState) -> None:
        self._builds = False
        self._close(at, state)
        if self._row.id != self._row.build:
            self._next(StageName.DECIDED, at)

    def _operation(self, message: OperationEvent, at: datetime) -> None:
        match message:
            case events.OperationStarted():
                # A change of settings is told before the begin of its operation, in one decision.
                if not self._builds and self._open is self._stages[0]:
                    self._next(StageName.ENDED if self._row.kind in _ENDING else StageName.DECIDED, at)
            case events.OperationSucceeded():
                self._end(at, OperationState.SUCCEEDED, StageState.DONE)
            case events.OperationFailed(failure=failure):
                self._end(at, OperationState.FAILED, StageState.FAILED, failure.reason)
            case events.OperationSuperseded(by_operation=newer):
                self._end(at, OperationState.SUPERSEDED, StageState.SUPERSEDED, f"by {newer}")
            case events.OperationCanceled(by=user):
                self._end(at, OperationState.CANCELED, StageState.CANCELED, f"by {user}")

    def _end(self, at: datetime, state: OperationState, of_stage: StageState, why: str = "") -> None:
        self._finish_rollout(at, of_stage)
        self._close(at, of_stage)
        self._state, self._ended = state, at
        last = self._stages[-1]
        last.detail = ": ".join(each for each in (last.detail, why) if each)

    def _decided(self, message: AnyMessage, at: datetime) -> None:
        match message:
            case events.ReleaseCreated():
                self._release, self._cause = message.release, message.cause
                self._replicas = message.config.replicas
            case events.ReleaseStarting():
                self._starting(message, at)
            case events.ReleaseReady():
                self._finish_rollout(at, StageState.DONE)
                self._next(StageName.SHIFTED, at)
            case events.TrafficShifted() if self._row.kind not in _ENDING:
                self._finish_rollout(at, StageState.DONE)
                self._next(StageName.LIVE, at)
            case events.DeploymentConfigured() if self._row.kind == "configure":
                self._next(StageName.APPLIED, at)
            case events.ReleaseLive() | events.DeploymentEnded():
                self._close(at)
            case _:
                pass

    def _starting(self, message: events.ReleaseStarting, at: datetime) -> None:
        self._close(at)
        if self._rollout is None:
            self._rollout = Rollout(self._reached(at))
        self._rollout.workloads.update(message.workloads.values())
        for endpoint in message.version.endpoints:
            self._rollout.wanted += min(1, self._replicas) if endpoint.fixed_port else self._replicas
            self._rollout.tests = self._rollout.tests or endpoint.smoke_test is not None

    def _finish_rollout(self, at: datetime, state: StageState) -> None:
        if self._rollout is not None:
            self._stages += self._rollout.stages(at, state)
            self._rollout = None

    def _drains(self, number: int, at: datetime) -> None:
        self._draining.setdefault(
            number, Stage(name=StageName.DRAINED, began=at, release=number, detail=f"release {number}")
        )
