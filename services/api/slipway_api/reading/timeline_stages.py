"""The stages of one operation while they are found out, and the replicas of its releases. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_api.answers.timeline_views import (
    StageName,
    StageState,
    TimelineStage,
    TimelineStep,
    seconds_between,
)


@dataclass(kw_only=True)
class Span:
    """Something with a begin that may have ended."""

    began: datetime
    ended: datetime | None = None
    state: StageState = StageState.RUNNING
    detail: str = ""

    def close(self, at: datetime, state: StageState = StageState.DONE) -> None:
        """End it, no earlier than it began; what has ended stays as it is."""
        if self.ended is None:
            self.ended, self.state = max(self.began, at), state


@dataclass(kw_only=True)
class Step(Span):
    """A step of the build."""

    name: str

    def seen(self, now: datetime) -> TimelineStep:
        """Return it as the client sees it."""
        return TimelineStep(
            name=self.name,
            state=self.state,
            started_at=self.began,
            ended_at=self.ended,
            seconds=seconds_between(self.began, self.ended or now),
            detail=self.detail,
        )


@dataclass(kw_only=True)
class Stage(Span):
    """A stage of the operation."""

    name: StageName
    release: int | None = None
    steps: list[Step] = field(default_factory=list)

    def close(self, at: datetime, state: StageState = StageState.DONE) -> None:
        """End it, with the step that runs."""
        for step in self.steps:
            step.close(at, state)
        super().close(at, state)

    def seen(self, now: datetime) -> TimelineStage:
        """Return it as the client sees it."""
        return TimelineStage(
            name=self.name,
            state=self.state,
            started_at=self.began,
            ended_at=self.ended,
            seconds=seconds_between(self.began, self.ended or now),
            release=self.release,
            detail=self.detail,
            steps=[step.seen(now) for step in self.steps],
        )


@dataclass
class Rollout:
    """The replicas that an operation waits for.

    What ran before says nothing new, so that nobody can count them up beforehand: when a stage of theirs has
    ended is known when the next one has, or the deployer finds the release ready.
    """

    began: datetime
    wanted: int = 0
    tests: bool = False
    workloads: set[str] = field(default_factory=set)
    started: dict[tuple[str, str], datetime] = field(default_factory=dict)
    answering: dict[tuple[str, str], datetime] = field(default_factory=dict)
    tested: dict[tuple[str, str], datetime] = field(default_factory=dict)
    exits: int = 0

    def take(self, fact: ReplicaFact, at: datetime) -> None:
        """Learn from a fact; the first one of a process counts, and a new process in a slot counts anew."""
        slot = (fact.workload, fact.replica.partition("-")[0])
        match fact.state:
            case ReplicaState.STARTED | ReplicaState.READY:
                self.started.setdefault(slot, at)
                if fact.state is ReplicaState.READY:
                    self.answering.setdefault(slot, at)
                if fact.smoke is not None:
                    self.tested.setdefault(slot, at)
            case ReplicaState.EXITED | ReplicaState.BLOCKED:
                self.exits += fact.state is ReplicaState.EXITED
                for seen in (self.started, self.answering, self.tested):
                    seen.pop(slot, None)
            case ReplicaState.UNREADY | ReplicaState.GONE:
                pass

    @property
    def waits_for(self) -> StageName:
        """Which stage its replicas are in."""
        if self.started.keys() - self.answering.keys():
            return StageName.ANSWERING
        if len(self.answering) < self.wanted or not self.started:
            return StageName.STARTED
        return StageName.SMOKE_TESTED if self._untested else StageName.READY

    def counted(self, name: StageName) -> int:
        """Return how many replicas have passed this stage."""
        return len(self._reached.get(name, self.answering))

    @property
    def _reached(self) -> dict[StageName, dict[tuple[str, str], datetime]]:
        return {
            StageName.STARTED: self.started,
            StageName.ANSWERING: self.answering,
            StageName.SMOKE_TESTED: self.tested,
        }

    @property
    def _untested(self) -> bool:
        return self.tests and bool(self.answering.keys() - self.tested.keys())

    def stages(self, end: datetime | None, state: StageState) -> list[Stage]:
        """Return its stages up to now, the last of them open; or up to its end.

        Args:
            end: when it ended; None: it has not.
            state: how it ended.
        """
        last = StageName.READY if end is not None and state is StageState.DONE else self.waits_for
        stages: list[Stage] = []
        began = self.began
        for name, times in self._reached.items():
            if name is last:
                break
            if times:
                stage = Stage(name=name, began=began, detail=self._detail(name, len(times)))
                stage.close(max(times.values()))
                stages.append(stage)
                began = stage.ended or began
        stage = Stage(name=last, began=began, detail=self._detail(last, self.counted(last)))
        if end is not None:
            stage.close(end, state)
        return [*stages, stage]

    def _detail(self, name: StageName, count: int) -> str:
        if name is StageName.READY:
            return ""
        noun = "replica" if count == 1 else "replicas"
        exits = f", {self.exits} exited" if self.exits and name is not StageName.SMOKE_TESTED else ""
        return f"{count} {noun}{exits}"
