"""Replica facts: what the monitor saw. The last fact per replica is the observed state."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

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


class SmokeResult(BaseModel):
    """What came of the smoke test on one replica."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    message: str = Field(description="What was asked and what came, in one sentence.")
    seconds: float = Field(ge=0)
    status: int | None = Field(default=None, description="None: no answer.")


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
    smoke: SmokeResult | None = Field(
        default=None, description="Of a ready replica whose workload has a smoke test; None: not done yet."
    )
