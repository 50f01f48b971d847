"""Writes what services would say into a log: builders of messages, and a random but valid walk.

Ids and times follow from the position in the script, so the same script gives the same log.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway_chassis.event_log import EventLog, Outgoing
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import Build, Cancel, CancelBuild, Delete, Deploy, Redeploy, Start, Stop
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload, TrafficShare
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    GroupConfigured,
    KeyConfigured,
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
    ReleaseStarting,
    ReleaseSuperseded,
    RoleGrant,
    TargetAnnounced,
    TargetFound,
    TargetLost,
    TrafficShifted,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import (
    BUILD_MOVES,
    OPERATION_MOVES,
    RELEASE_MOVES,
    BuildState,
    OperationState,
    ReleaseState,
    Wanted,
)
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig, ReleaseRequest
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Size, Workload

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(minutes=5)
GROUP = "default"
DIGEST = "sha256:" + 64 * "a"


def make_version(number: int = 1, *, deployment: str = "digits", **overrides: Any) -> Version:
    endpoint = EndpointSpec(
        name="predict", image=f"sha256:{number:064x}", command=CommandSpec(argv=("serve",))
    )
    values: dict[str, Any] = {
        "id": derived_id("version", deployment, number),
        "group": GROUP,
        "deployment": deployment,
        "label": f"20260101.{number}",
        "build": derived_id("version", deployment, number),
        "endpoints": (endpoint,),
        "python": "3.11",
        "platform": "linux/amd64",
        "created_at": START,
        "created_by": "ada",
    }
    return Version(**values | overrides)


def make_failure(**overrides: Any) -> FailureRecord:
    values: dict[str, Any] = {
        "stage": Stage.START,
        "reason": Reason.REPLICA_EXITED,
        "message": "It exited.",
        "hint": "See its log.",
        "at": START,
        "exit_code": 3,
        "log_tail": ("one", "two"),
    }
    return FailureRecord(**values | overrides)


def make_workload(release: int = 1, *, deployment: str = "digits", replicas: int = 1) -> Workload:
    return Workload.of(
        group=GROUP,
        deployment=deployment,
        target="local",
        endpoint=make_version(release, deployment=deployment).endpoints[0],
        environment={},
        size=Size(),
        replicas=replicas,
    )


@dataclass
class Script:
    """Messages in the order in which they are written; `say` adds one and returns its id."""

    deployment: str = "digits"
    messages: list[Outgoing] = field(default_factory=list)
    written: int = 0
    base: int = 0
    """Sequence of the log before the first message."""

    def say(self, message: AnyMessage, *, identifier: str | None = None) -> str:
        position = len(self.messages) + 1
        envelope = Envelope(
            id=identifier or derived_id("script", self.deployment, position),
            type=message.type,
            source="/slipway/test",
            subject=f"{GROUP}/{self.deployment}",
            time=START + timedelta(seconds=position, microseconds=position),
        )
        self.messages.append(Outgoing(subject=subjects.of(message), message=message, envelope=envelope))
        return envelope.id

    @property
    def owner(self) -> dict[str, Any]:
        return {"group": GROUP, "deployment": self.deployment}

    @property
    def asker(self) -> dict[str, Any]:
        return {**self.owner, "by": "ada", "request_digest": "d1"}

    def deploy(self, release: int = 1, **config: Any) -> str:
        """Ask for a release."""
        request = ReleaseRequest(
            version=make_version(release, deployment=self.deployment), config=ReleaseConfig(**config)
        )
        return self.say(Deploy(**self.asker, request=request))

    def ask_build(self, **overrides: Any) -> str:
        return self.say(Build(**self.asker, source=DIGEST, deadline_at=LATER, **overrides))

    def created(self, operation: str, release: int = 1) -> None:
        self.say(
            ReleaseCreated(
                **self.owner,
                release=release,
                operation=operation,
                cause="deploy",
                version=make_version(release, deployment=self.deployment),
                config=ReleaseConfig(),
                by="ada",
            )
        )

    def starting(self, release: int = 1) -> None:
        workload = make_workload(release, deployment=self.deployment)
        self.say(
            ReleaseStarting(
                **self.owner,
                release=release,
                version=make_version(release, deployment=self.deployment),
                workloads={"predict": workload.id},
                deadline_at=LATER,
            )
        )

    def desired(self, operation: str, release: int, state: ReleaseState, **overrides: Any) -> None:
        """Record that one release is wanted, in this state."""
        workload = make_workload(release, deployment=self.deployment)
        wanted = DesiredRelease(
            number=release,
            operation=operation,
            state=state,
            version=make_version(release, deployment=self.deployment),
            config=ReleaseConfig(),
            created_at=START,
            created_by="ada",
            workloads={"predict": workload.id},
        )
        values: dict[str, Any] = {
            "position": self.base + len(self.messages),
            "releases": (wanted,),
            "workloads": (DesiredWorkload(workload=workload, serving=1, crashes=(0,)),),
            "traffic": (TrafficShare(release=release, weight=100),) if state is ReleaseState.LIVE else (),
        }
        self.say(Desired(**self.owner, **values | overrides))

    def replica(self, state: ReplicaState, transition: int, release: int = 1, **details: Any) -> None:
        workload = make_workload(release, deployment=self.deployment)
        values: dict[str, Any] = {"epoch": 1, "replica": "0-1", "at": LATER}
        self.say(
            ReplicaFact(
                **self.owner,
                workload=workload.id,
                endpoint="predict",
                target="local",
                state=state,
                transition=transition,
                **values | details,
            )
        )

    def deployed(self, release: int = 1) -> str:
        """Say everything that a deploy that goes well says; return its operation."""
        operation = self.deploy(release)
        self.say(OperationStarted(**self.owner, operation=operation))
        self.created(operation, release)
        self.desired(operation, release, ReleaseState.STARTING)
        self.starting(release)
        self.replica(ReplicaState.STARTED, 1, release, pid=7, started_at=START)
        self.replica(ReplicaState.READY, 2, release, pid=7, address="127.0.0.1:9000")
        self.say(ReleaseReady(**self.owner, release=release))
        self.desired(operation, release, ReleaseState.LIVE)
        self.say(ReleaseLive(**self.owner, release=release, seconds=1.5))
        self.say(OperationSucceeded(**self.owner, operation=operation))
        return operation

    def built(self, number: int = 1, **overrides: Any) -> str:
        """Say everything that a build that goes well says; return its id."""
        build = self.ask_build(**overrides)
        self.say(BuildStarted(**self.owner, build=build, source=DIGEST, by="builder-1", deadline_at=LATER))
        self.say(BuildStepStarted(**self.owner, build=build, step="unpack"))
        self.say(BuildStepFinished(**self.owner, build=build, step="unpack", seconds=0.5, detail="3 files"))
        version = make_version(number, deployment=self.deployment, id=build, build=build)
        self.say(BuildSucceeded(**self.owner, build=build, version=version, seconds=2.0))
        self.say(OperationSucceeded(**self.owner, operation=build))
        return build

    async def write(self, log: EventLog) -> int:
        """Write what was not yet written; return the sequence of the last message."""
        sequence = 0
        for start in range(self.written, len(self.messages), 500):
            sequence = (await log.publish_batch(self.messages[start : start + 500])).sequence
        self.written = len(self.messages)
        return sequence


class Walk(Script):
    """A walk over several deployments in which every record moves only as its table allows."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311
        self._operations: dict[str, dict[str, OperationState]] = {}
        self._builds: dict[str, dict[str, BuildState]] = {}
        self._releases: dict[str, dict[int, ReleaseState]] = {}
        self._makers: dict[tuple[str, int], str] = {}
        self._transitions: dict[tuple[str, str], int] = {}

    def run(self, steps: int) -> None:
        """Take this many steps."""
        actions = (
            (self._command, 3), (self._move_release, 8), (self._move_operation, 4), (self._move_build, 5),
            (self._decide, 4), (self._observe, 6), (self._configure, 1),
        )  # fmt: skip
        choices, weights = zip(*actions, strict=True)
        for _ in range(steps):
            self.deployment = self._random.choice(("digits", "words", "faces"))
            self._random.choices(choices, weights)[0]()

    def _known(self, records: dict[str, dict[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        yield from records.setdefault(self.deployment, {}).items()

    def _command(self) -> None:
        kind = self._random.choice((Deploy, Redeploy, Start, Stop, Delete, Cancel, Build, CancelBuild))
        message: AnyMessage
        if kind in {Deploy, Redeploy, Start}:
            version = make_version(self._random.randint(1, 9), deployment=self.deployment)
            message = kind(**self.asker, request=ReleaseRequest(version=version))
        elif kind is Build:
            message = Build(**self.asker, source=DIGEST, deadline_at=LATER)
        elif kind is CancelBuild:
            message = CancelBuild(**self.asker, build=derived_id("any"))
        else:
            message = kind(**self.asker)
        identifier = self.say(message)
        self._operations.setdefault(self.deployment, {})[identifier] = OperationState.PENDING
        if kind is Build:
            self._builds.setdefault(self.deployment, {})[identifier] = BuildState.QUEUED
        if kind in {Deploy, Redeploy, Start}:
            number = len(self._releases.setdefault(self.deployment, {})) + 1
            self._releases[self.deployment][number] = ReleaseState.PENDING
            self._makers[self.deployment, number] = identifier
            self.created(identifier, number)

    def _move_release(self) -> None:  # noqa: C901
        open_moves = [(n, s) for n, s in self._known(self._releases) if RELEASE_MOVES[s]]
        if not open_moves:
            return
        number, state = self._random.choice(open_moves)
        state = self._random.choice(sorted(RELEASE_MOVES[state]))
        self._releases[self.deployment][number] = state
        about: dict[str, Any] = {**self.owner, "release": number}
        match state:
            case ReleaseState.STARTING:
                self.starting(number)
            case ReleaseState.READY:
                self.say(ReleaseReady(**about))
            case ReleaseState.LIVE:
                self.say(TrafficShifted(**self.owner, shares=(TrafficShare(release=number, weight=100),)))
                self.say(ReleaseLive(**about, seconds=1.0))
            case ReleaseState.DRAINING:
                self.say(ReleaseDraining(**about))
            case ReleaseState.RETIRED:
                self.say(ReleaseRetired(**about))
            case ReleaseState.FAILED:
                self.say(ReleaseFailed(**about, failure=make_failure()))
            case ReleaseState.SUPERSEDED:
                self.say(ReleaseSuperseded(**about, by_operation=derived_id("newer")))
            case ReleaseState.CANCELED:
                self.say(ReleaseCanceled(**about, by="ada"))
            case ReleaseState.PENDING:
                raise AssertionError("no move leads to PENDING")

    def _move_operation(self) -> None:
        open_moves = [(o, s) for o, s in self._known(self._operations) if OPERATION_MOVES[s]]
        if not open_moves:
            return
        operation, state = self._random.choice(open_moves)
        state = self._random.choice(sorted(OPERATION_MOVES[state]))
        self._operations[self.deployment][operation] = state
        about: dict[str, Any] = {**self.owner, "operation": operation}
        match state:
            case OperationState.RUNNING:
                self.say(OperationStarted(**about))
            case OperationState.SUCCEEDED:
                self.say(OperationSucceeded(**about))
            case OperationState.FAILED:
                self.say(OperationFailed(**about, failure=make_failure()))
            case OperationState.SUPERSEDED:
                self.say(OperationSuperseded(**about, by_operation=derived_id("newer")))
            case OperationState.CANCELED:
                self.say(OperationCanceled(**about, by="ada"))
            case OperationState.PENDING:
                raise AssertionError("no move leads to PENDING")

    def _move_build(self) -> None:
        open_moves = [(b, s) for b, s in self._known(self._builds) if BUILD_MOVES[s]]
        if not open_moves:
            return
        build, state = self._random.choice(open_moves)
        about: dict[str, Any] = {**self.owner, "build": build}
        if state is BuildState.RUNNING and self._random.random() < 0.7:
            step = self._random.choice(("unpack", "resolve", "layers"))
            done = self._random.random() < 0.5
            self.say(
                BuildStepFinished(**about, step=step, seconds=0.25)
                if done
                else BuildStepStarted(**about, step=step)
            )
            return
        state = self._random.choice(sorted(BUILD_MOVES[state]))
        self._builds[self.deployment][build] = state
        match state:
            case BuildState.RUNNING:
                self.say(BuildStarted(**about, source=DIGEST, by="builder-1", deadline_at=LATER))
            case BuildState.SUCCEEDED:
                number = len(self.messages)
                version = make_version(number, deployment=self.deployment, id=build, build=build)
                self.say(BuildSucceeded(**about, version=version, seconds=1.0))
            case BuildState.FAILED:
                self.say(BuildFailed(**about, failure=make_failure(stage=Stage.BUILD)))
            case BuildState.CANCELED:
                self.say(BuildCanceled(**about, by="ada"))
            case BuildState.QUEUED:
                raise AssertionError("no move leads to QUEUED")

    def _decide(self) -> None:
        kept = [(n, s) for n, s in self._known(self._releases) if s is not ReleaseState.PENDING]
        if not kept or self._random.random() < 0.2:
            ended = self._random.random() < 0.7
            wanted = self._random.choice(list(Wanted))
            record = Desired(**self.owner, position=len(self.messages), wanted=wanted, ended=ended)
            self.say(record)
            return
        number, state = self._random.choice(kept)
        self.desired(self._makers[self.deployment, number], number, state)

    def _observe(self) -> None:
        release = self._random.randint(1, 4)
        replica = self._random.choice(("0-1", "0-2", "1-1"))
        key = (make_workload(release, deployment=self.deployment).id, replica)
        transition = self._transitions.get(key, 0) + self._random.choice((1, 1, 1, 0))
        self._transitions[key] = max(1, transition)
        state = self._random.choice(list(ReplicaState))
        exited = {"exit_code": 1, "log_tail": ("bang",)} if state is ReplicaState.EXITED else {}
        self.replica(state, self._transitions[key], release, replica=replica, **exited)

    def _configure(self) -> None:
        name = self._random.choice(("local", "farm"))
        self.say(
            self._random.choice(
                (
                    TargetAnnounced(target=name, engine="supervisor", epoch=3, cpu=2.0, memory_bytes=1 << 30),
                    TargetLost(target=name, since=LATER),
                    TargetFound(target=name),
                    GroupConfigured(group=GROUP, description=f"number {len(self.messages)}"),
                    KeyConfigured(
                        key=derived_id("key"),
                        digest=DIGEST,
                        user="ada",
                        grants=(RoleGrant(group="*", role="admin"),),
                    ),
                )
            )
        )
