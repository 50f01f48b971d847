"""Writes what services would say into a log, with builders of messages.

Ids and times follow from the position in the script, so the same script gives the same log.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway_chassis.event_log import EventLog, Outgoing
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    Build,
    Deploy,
    Purge,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import (
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    OperationStarted,
    OperationSucceeded,
    ReleaseCreated,
    ReleaseLive,
    ReleaseReady,
    ReleaseStarting,
    TrafficShifted,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import (
    ReleaseState,
    Wanted,
)
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.traffic import ReleaseRequest, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload

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
        endpoint=make_version(release, deployment=deployment).endpoints[0],
        config=ReleaseConfig(),
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

    def say(self, message: AnyMessage, *, identifier: str | None = None, operation: str | None = None) -> str:
        position = len(self.messages) + 1
        envelope = Envelope(
            id=identifier or derived_id("script", self.deployment, position),
            type=message.type,
            source="/slipway/test",
            subject=f"{GROUP}/{self.deployment}",
            time=START + timedelta(seconds=position, microseconds=position),
            correlation_id=operation,
        )
        self.messages.append(Outgoing(subject=subjects.of(message), message=message, envelope=envelope))
        return envelope.id

    @property
    def owner(self) -> dict[str, Any]:
        return {"group": GROUP, "deployment": self.deployment}

    @property
    def asker(self) -> dict[str, Any]:
        return {**self.owner, "by": "ada", "request_digest": "d1"}

    def deploy(self, release: int = 1, *, settings: DeploymentSettings | None = None, **config: Any) -> str:
        """Ask for a release."""
        request = ReleaseRequest(
            version=make_version(release, deployment=self.deployment), config=ReleaseConfig(**config)
        )
        return self.say(Deploy(**self.asker, request=request, settings=settings))

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
        self.shifted(operation, TrafficShare(release=release, weight=100))
        self.say(ReleaseLive(**self.owner, release=release, seconds=1.5))
        self.say(OperationSucceeded(**self.owner, operation=operation))
        return operation

    def shifted(self, operation: str | None, *shares: TrafficShare, alias: str = "live") -> None:
        self.say(TrafficShifted(**self.owner, alias=alias, shares=shares), operation=operation)

    def purged(self) -> str:
        """Say everything that a purge says; return its operation."""
        operation = self.say(Purge(**self.asker))
        position = self.base + len(self.messages)
        self.say(Desired(**self.owner, position=position, wanted=Wanted.PURGED))
        self.say(Desired(**self.owner, position=position, wanted=Wanted.PURGED, ended=True))
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
