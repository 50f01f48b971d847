"""Desired records and replica facts as deployer and monitor write them, for tests of the gateway."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload, TrafficShare
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState
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
    transitions: int = 0

    def add_release(
        self,
        number: int,
        *endpoints: EndpointSpec,
        label: str | None = None,
        replicas: int = 1,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Add a release; without `environment`, each release has workloads of its own."""
        environment = {"RELEASE": str(number)} if environment is None else environment
        specs = endpoints or (make_endpoint(),)
        wanted = [self._workload(spec, environment, replicas) for spec in specs]
        self.workloads |= {each.workload.id: each for each in wanted}
        self.releases[number] = DesiredRelease(
            number=number,
            operation=derived_id("operation", number),
            state=ReleaseState.READY,
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
            target="local",
            endpoint=spec,
            environment=environment,
            size=ReleaseConfig().size,
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
            traffic=tuple(
                TrafficShare(release=number, weight=weight) for number, weight in self.traffic.items()
            ),
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
