"""Workloads: what an engine runs for one endpoint, named by the hash of what it runs."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from slipway_contracts.names import (
    DeploymentId,
    Digest,
    EndpointName,
    GroupName,
    ReplicaId,
    TargetName,
    WorkloadId,
)
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import EnvironmentValue, SecretRef, Size
from slipway_contracts.version import CommandSpec, EndpointSpec, SmokeTest

_ID_LENGTH: Final = 16


class WorkloadRef(BaseModel):
    """Names one workload of one deployment on one target."""

    model_config = ConfigDict(frozen=True)

    group: GroupName
    deployment: DeploymentId
    id: WorkloadId


class ReplicaRef(BaseModel):
    """Names one replica of a workload; `<slot>-<attempt>` on engines whose replicas the deployer counts."""

    model_config = ConfigDict(frozen=True)

    workload: WorkloadRef
    id: ReplicaId


class Workload(BaseModel):
    """The wish handed to an engine. `slots` holds one attempt number per wanted replica.

    An engine starts the process of (slot, attempt) once; one that exited is started again only when the
    deployer raises its attempt.
    """

    model_config = ConfigDict(frozen=True)

    id: WorkloadId
    group: GroupName
    deployment: DeploymentId
    endpoint: EndpointName
    target: TargetName
    image: Digest
    command: CommandSpec
    environment: Mapping[str, EnvironmentValue] = Field(default_factory=dict)
    fixed_port: int | None = None
    health: str | None = None
    smoke_test: SmokeTest | None = Field(default=None, description="Asked of each replica once it is ready.")
    timeout_seconds: float = Field(
        default=300.0, gt=0, description="Longest time for one answer: for so long it may be busy and silent."
    )
    size: Size = Size()
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    image_pull_secret: SecretRef | None = None
    grace_seconds: float = Field(default=10.0, ge=0, description="Between SIGTERM and SIGKILL.")
    slots: tuple[int, ...] = Field(default=(1,), description="Attempt number of each wanted replica.")
    traceparent: str | None = Field(default=None, description="Trace of the command that first wanted it.")

    @property
    def secrets(self) -> dict[str, SecretRef]:
        """The environment variables whose values are secrets."""
        return {name: value for name, value in self.environment.items() if isinstance(value, SecretRef)}

    @property
    def literals(self) -> dict[str, str]:
        """The environment variables whose values stand in the configuration."""
        return {name: value for name, value in self.environment.items() if isinstance(value, str)}

    @property
    def ref(self) -> WorkloadRef:
        """The name of this workload."""
        return WorkloadRef(group=self.group, deployment=self.deployment, id=self.id)

    @property
    def replica_ids(self) -> tuple[str, ...]:
        """The replicas that should run now, by slot."""
        return tuple(f"{slot}-{attempt}" for slot, attempt in enumerate(self.slots))

    @classmethod
    def of(
        cls, *, group: str, deployment: str, endpoint: EndpointSpec, config: ReleaseConfig, replicas: int
    ) -> Self:
        """Describe the workload of one endpoint; equal arguments but `replicas` give the same id."""
        return cls(
            id=workload_id(group, deployment, endpoint, config),
            group=group,
            deployment=deployment,
            endpoint=endpoint.name,
            target=config.target,
            image=endpoint.image,
            command=endpoint.command,
            environment=dict(config.environment),
            fixed_port=endpoint.fixed_port,
            health=endpoint.health,
            smoke_test=endpoint.smoke_test,
            timeout_seconds=endpoint.timeout_seconds,
            size=config.size,
            node_selector=dict(config.node_selector),
            image_pull_secret=config.image_pull_secret,
            slots=(1,) * replicas,
        )


def workload_id(group: str, deployment: str, endpoint: EndpointSpec, config: ReleaseConfig) -> str:
    """Return the id of the workload of one endpoint; the number of its replicas is no part of it."""
    identity: dict[str, object] = {
        "group": group,
        "deployment": deployment,
        "target": config.target,
        "endpoint": endpoint.name,
        "image": endpoint.image,
        "command": endpoint.command.model_dump(mode="json"),
        "environment": {
            name: value if isinstance(value, str) else value.model_dump(mode="json")
            for name, value in sorted(config.environment.items())
        },
        "fixed_port": endpoint.fixed_port,
        "health": endpoint.health,
        "size": config.size.model_dump(mode="json", exclude={"gpu"}),
        "restart": config.restart,
    }
    pull_secret = config.image_pull_secret
    # What came later is part of the name only where it is used: names that exist stay as they are.
    later = {
        "gpu": config.size.gpu,
        "smoke_test": endpoint.smoke_test.model_dump(mode="json") if endpoint.smoke_test else None,
        "node_selector": dict(sorted(config.node_selector.items())),
        "image_pull_secret": pull_secret.model_dump(mode="json") if pull_secret else None,
    }
    identity |= {name: value for name, value in later.items() if value}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:_ID_LENGTH]
