"""A deployment in memory: the log's order, replicas and gateways that a test moves by hand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway_contracts.commands import Cancel, Delete, Deploy, Redeploy, Stop
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.message import Message
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig, ReleaseRequest
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_deployer.decide import DeployerMessage, Inbox, decide
from slipway_deployer.decision import Decision
from slipway_deployer.judge import Observed, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = {"group": "default", "deployment": "digits", "by": "ada", "request_digest": "x"}


def make_version(number: int = 1, **overrides: Any) -> Version:
    endpoint = EndpointSpec(
        name="predict",
        image=f"sha256:{number:064x}",
        command=CommandSpec(argv=("serve",)),
        **overrides,
    )
    return Version(
        id=derived_id("version", number),
        group="default",
        deployment="digits",
        label=f"20260101.{number}",
        build=derived_id("build", number),
        endpoints=(endpoint,),
        python="3.11",
        platform="linux/amd64",
        created_at=START,
        created_by="ada",
    )


def make_deploy(version: Version | None = None, build: str | None = None, **config: Any) -> Deploy:
    request = ReleaseRequest(
        version=version or (None if build else make_version()), build=build, config=ReleaseConfig(**config)
    )
    return Deploy(**OWNER, request=request)


def make_redeploy(version: Version, **config: Any) -> Redeploy:
    return Redeploy(**OWNER, request=ReleaseRequest(version=version, config=ReleaseConfig(**config)))


def make_failure() -> FailureRecord:
    return FailureRecord(
        stage=Stage.BUILD, reason=Reason.MANIFEST_MISSING, message="none", hint="add one", at=START
    )


def make_stop() -> Stop:
    return Stop(**OWNER)


def make_delete() -> Delete:
    return Delete(**OWNER)


def make_cancel() -> Cancel:
    return Cancel(**OWNER)


@dataclass
class World:
    """Applies decisions as the deployer does, one write at a time."""

    at: datetime = START
    sequence: int = 0
    desired: Desired | None = None
    record_sequence: int = 0
    told: list[Message] = field(default_factory=list)
    facts: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    gateway: GatewayRecord | None = None

    @property
    def record(self) -> Desired:
        assert self.desired is not None
        return self.desired

    def send(self, message: DeployerMessage) -> str:
        """Append a command to the log, decide it, and settle; return its operation id."""
        self.sequence += 1
        identifier = derived_id("message", self.sequence)
        envelope = Envelope(
            id=identifier, type=type(message).__name__, source="/test", subject="default/digits", time=self.at
        )
        self._keep(decide(self.desired, Inbox(self.sequence, envelope, message), at=self.at))
        self.settle()
        return identifier

    def settle(self) -> None:
        """Judge until nothing changes."""
        for _ in range(50):
            before = self.desired
            observed = Observed(
                deployment="default/digits",
                revision=self.record_sequence,
                reconciled=True,
                replicas=self.facts,
                gateways=(self.gateway,) if self.gateway else (),
            )
            self._keep(judge(Decision(desired=self.record, at=self.at), observed))
            if self.desired == before:
                return
        raise AssertionError("the judgement does not settle")

    def _keep(self, decision: Decision) -> None:
        self.told += [each.message for each in decision.emitted]
        if decision.desired != self.desired:
            self.sequence += len(decision.emitted) + 1
            self.record_sequence = self.sequence
            self.desired = decision.desired

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        if self.desired is not None:
            self.settle()

    def replicas(self, state: ReplicaState, **details: Any) -> None:
        """Let every wanted replica be seen in this state."""
        for each in self.record.workloads:
            for replica in each.workload.replica_ids:
                self.see(each.workload.id, replica, state, **details)
        self.settle()

    def see(self, workload: str, replica: str, state: ReplicaState, **details: Any) -> None:
        known = self.facts.get((workload, replica))
        self.facts[(workload, replica)] = ReplicaFact(
            group="default",
            deployment="digits",
            workload=workload,
            replica=replica,
            endpoint="predict",
            target="local",
            state=state,
            transition=known.transition + 1 if known else 1,
            epoch=1,
            at=self.at,
            **{"address": "127.0.0.1:9000", **details},
        )

    def gone(self) -> None:
        """Let every replica of a removed workload be seen gone."""
        for removed in self.record.removed:
            for workload, replica in list(self.facts):
                if workload == removed.id:
                    self.see(workload, replica, ReplicaState.GONE)
        self.settle()

    def apply_gateway(self, active: int = 0) -> None:
        """Let the one gateway apply the desired state, with this many requests on what drains."""
        routed = {share.release for share in self.record.traffic}
        in_routes = {
            workload
            for release in self.record.releases
            if release.number in routed
            for workload in release.workloads.values()
        }
        self.gateway = GatewayRecord(
            gateway="one",
            applied=self.record_sequence,
            active={
                each.workload.id: active
                for each in self.record.workloads
                if each.workload.id not in in_routes
            },
            leaving={
                f"{each.workload.id}/{replica}": active
                for each in self.record.workloads
                for replica in each.workload.replica_ids[each.serving :]
            },
            at=self.at,
        )
        self.settle()

    def names(self) -> list[str]:
        return [message.type.removesuffix(".v1") for message in self.told]

    def last(self, kind: type[Message]) -> Any:
        return next(message for message in reversed(self.told) if isinstance(message, kind))


def live_world(version: Version | None = None, **config: Any) -> World:
    """A deployment whose first release is live."""
    world = World()
    world.send(make_deploy(version, **config))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.told.clear()
    return world
