"""Workloads: what an engine runs for one endpoint, named by the hash of what it runs."""

import hashlib
import json
from collections.abc import Mapping
from typing import Self

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
from slipway_contracts.version import CommandSpec, EndpointSpec


class Size(BaseModel):
    """What one replica may use."""

    model_config = ConfigDict(frozen=True)

    cpu: float = Field(default=1.0, gt=0, le=10_000, description="Cores.")
    memory_bytes: int = Field(default=1 << 30, gt=0)


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
    environment: Mapping[str, str] = Field(default_factory=dict)
    fixed_port: int | None = None
    health: str | None = None
    size: Size = Size()
    grace_seconds: float = Field(default=10.0, ge=0, description="Between SIGTERM and SIGKILL.")
    slots: tuple[int, ...] = Field(default=(1,), description="Attempt number of each wanted replica.")
    traceparent: str | None = Field(default=None, description="Trace of the command that first wanted it.")

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
        cls,
        *,
        group: str,
        deployment: str,
        target: str,
        endpoint: EndpointSpec,
        environment: Mapping[str, str],
        size: Size,
        replicas: int,
        restart: int = 0,
    ) -> Self:
        """Describe the workload of one endpoint; equal arguments but `replicas` give the same id."""
        identity = {
            "group": group,
            "deployment": deployment,
            "target": target,
            "endpoint": endpoint.name,
            "image": endpoint.image,
            "command": endpoint.command.model_dump(mode="json"),
            "environment": dict(sorted(environment.items())),
            "fixed_port": endpoint.fixed_port,
            "health": endpoint.health,
            "size": size.model_dump(mode="json"),
            "restart": restart,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return cls(
            id=digest[:16],
            group=group,
            deployment=deployment,
            endpoint=endpoint.name,
            target=target,
            image=endpoint.image,
            command=endpoint.command,
            environment=dict(environment),
            fixed_port=endpoint.fixed_port,
            health=endpoint.health,
            size=size,
            slots=(1,) * replicas,
        )
