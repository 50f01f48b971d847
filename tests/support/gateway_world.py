"""Desired records and replica facts as deployer and monitor write them, for tests of the gateway."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import encode
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.traffic import AliasRoute, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload

AT = datetime(2026, 1, 1, tzinfo=UTC)


def make_endpoint(name: str = "predict", **overrides: Any) -> EndpointSpec:
    return EndpointSpec(
        **{"name": name, "image": "sha256:" + "0" * 64, "command": CommandSpec(argv=("serve",))} | overrides
    )


@dataclass
class DeploymentStory:
    """One deployment whose releases, traffic and replicas a test sets; `desired` is what it then reads."""

    group: str = "default"
    deployment: str = "digits"
    wanted: Wanted = Wanted.RUNNING
    ended: bool = False
    releases: dict[int, DesiredRelease] = field(default_factory=dict)
    workloads: dict[str, DesiredWorkload] = field(default_factory=dict)
    traffic: dict[int, int] = field(default_factory=dict)
    aliases: dict[str, dict[int, int]] = field(default_factory=dict)
    pins: tuple[int, ...] = ()
    settings: DeploymentSettings = field(default_factory=DeploymentSettings)
    former_names: tuple[FormerName, ...] = ()
    transitions: int = 0

    def add_release(
        self,
        number: int,
        *endpoints: EndpointSpec,
        label: str | None = None,
        replicas: int = 1,
        environment: dict[str, str] | None = None,
        state: ReleaseState = ReleaseState.LIVE,
    ) -> None:
        """Add a release; without `environment`, each release has workloads of its own."""
        environment = {"RELEASE": str(number)} if environment is None else environment
        specs = endpoints or (make_endpoint(),)
        wanted = [self._workload(spec, environment, replicas) for spec in specs]
        self.workloads |= {each.workload.id: each for each in wanted}
        self.releases[number] = DesiredRelease(
            number=number,
            operation=derived_id("operation", number),
            state=state,
            version=self._version(number, label or f"20260101.{number}", specs),
            config=ReleaseConfig(),
            created_at=AT,
            created_by="ada",
            workloads={each.workload.endpoint: each.workload.id for each in wanted},
        )

    def _workload(self, spec: EndpointSpec, environment: dict[str, str], replicas: int) -> DesiredWorkload:
        workload = Workload.of(
            group=self.group,
            deployment=self.deployment,
            endpoint=spec,
            config=ReleaseConfig(environment=environment),
            replicas=replicas,
        )
        return DesiredWorkload(workload=workload, serving=replicas, crashes=(0,) * replicas)

    def _version(self, number: int, label: str, endpoints: Sequence[EndpointSpec]) -> Version:
        return Version(
            id=derived_id("version", number),
            group=self.group,
            deployment=self.deployment,
            label=label,
            build=derived_id("build", number),
            endpoints=tuple(endpoints),
            python="3.11",
            platform="linux/amd64",
            created_at=AT,
            created_by="ada",
        )

    def workload(self, release: int, endpoint: str = "predict") -> str:
        return self.releases[release].workloads[endpoint]

    def serve_only(self, workload: str, serving: int) -> None:
        """Scale away all slots but the first ones."""
        self.workloads[workload] = self.workloads[workload].model_copy(update={"serving": serving})

    def trim(self, workload: str) -> None:
        """Forget the slots that were scaled away."""
        each = self.workloads[workload]
        trimmed = each.workload.model_copy(update={"slots": each.workload.slots[: each.serving]})
        self.workloads[workload] = each.model_copy(
            update={"workload": trimmed, "crashes": each.crashes[: each.serving]}
        )

    @property
    def desired(self) -> Desired:
        return Desired(
            group=self.group,
            deployment=self.deployment,
            position=1,
            wanted=self.wanted,
            ended=self.ended,
            releases=tuple(self.releases.values()),
            workloads=tuple(self.workloads.values()),
            traffic=_shares(self.traffic),
            aliases=tuple(
                AliasRoute(alias=alias, shares=_shares(weights)) for alias, weights in self.aliases.items()
            ),
            pins=self.pins,
            settings=self.settings,
            former_names=self.former_names,
        )

    def fact(
        self,
        workload: str,
        replica: str = "0-1",
        state: ReplicaState = ReplicaState.READY,
        address: str | None = None,
    ) -> ReplicaFact:
        self.transitions += 1
        return ReplicaFact(
            group=self.group,
            deployment=self.deployment,
            workload=workload,
            replica=replica,
            endpoint=self.workloads[workload].workload.endpoint if workload in self.workloads else "predict",
            target="local",
            state=state,
            transition=self.transitions,
            epoch=1,
            at=AT,
            address=address,
        )


def two_releases() -> DeploymentStory:
    """Return a deployment whose requests all go to the first of its two releases."""
    story = DeploymentStory()
    story.add_release(1)
    story.add_release(2)
    story.traffic = {1: 100}
    return story


def stored(sequence: int, message: Desired | ReplicaFact) -> Stored:
    """Return a record as a reader of the log gets it."""
    envelope = Envelope(id=new_id(), type=message.type, source="/test", subject="default/x", time=now())
    return Stored(
        subject=subjects.of(message),
        sequence=sequence,
        time=envelope.time,
        headers=envelope.to_headers(),
        data=encode(message),
    )


def _shares(weights: dict[int, int]) -> tuple[TrafficShare, ...]:
    return tuple(TrafficShare(release=number, weight=weight) for number, weight in weights.items())
