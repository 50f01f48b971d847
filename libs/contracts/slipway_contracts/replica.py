"""Replica facts: what the monitor saw. The last fact per replica is the observed state."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import EndpointName, ReplicaId, TargetName, WorkloadId


class ReplicaState(StrEnum):
    """What a replica was last seen doing."""

    STARTED = "started"
    READY = "ready"
    UNREADY = "unready"
    EXITED = "exited"
    BLOCKED = "blocked"
    GONE = "gone"


class ReplicaFact(DeploymentMessage):
    """A replica changed; emitted by the monitor of its target, one message per transition."""

    type: Literal["replica.v1"] = "replica.v1"
    workload: WorkloadId
    replica: ReplicaId
    endpoint: EndpointName
    target: TargetName
    state: ReplicaState
    transition: int = Field(ge=1, description="Grows by one with each fact of this replica.")
    epoch: int = Field(ge=0, description="Lease epoch of the monitor that saw it.")
    at: AwareDatetime = Field(description="When the change was seen.")
    address: str | None = Field(default=None, description="`host:port` where it answers.")
    started_at: AwareDatetime | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = Field(default=None, description="Name of the signal that ended it, as `SIGKILL`.")
    log_tail: tuple[str, ...] = Field(default=(), description="Last log lines, of a replica that ended.")
    listening: tuple[int, ...] = Field(
        default=(), description="TCP ports it listens on while it is not ready."
    )
    detail: str | None = Field(default=None, description="Why it is unready or blocked.")
