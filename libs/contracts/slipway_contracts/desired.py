"""Desired state: what the deployer decided for one deployment. The last record is the truth."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState, Wanted
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import BuildId, EndpointName, OperationId, ReplicaId, WorkloadId
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.version import Version
from slipway_contracts.workload import Workload


class TrafficShare(BaseModel):
    """The part of the requests that one release gets."""

    model_config = ConfigDict(frozen=True)

    release: int = Field(ge=1)
    weight: int = Field(ge=1, le=100)


class DesiredRelease(BaseModel):
    """A release that still needs something: a decision, replicas, or time to drain."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(ge=1)
    operation: OperationId
    state: ReleaseState
    version: Version | None = Field(default=None, description="None while its build runs.")
    build: BuildId | None = None
    config: ReleaseConfig
    created_at: AwareDatetime
    created_by: str
    deadline_at: AwareDatetime | None = Field(default=None, description="End of its transient state.")
    workloads: dict[EndpointName, WorkloadId] = Field(default_factory=dict)
    traceparent: str | None = Field(default=None, description="Trace of the command that made it.")


class DesiredWorkload(BaseModel):
    """A workload that should exist.

    The engine holds all its slots; the gateways send requests to the first `serving` of them: a slot beyond
    has been scaled away and finishes what it has until `drain_until`.
    """

    model_config = ConfigDict(frozen=True)

    workload: Workload
    serving: int = Field(ge=1, description="How many of its slots get requests.")
    crashes: tuple[int, ...] = Field(description="Consecutive crashes per slot: the base of the back-off.")
    drain_until: AwareDatetime | None = Field(
        default=None, description="End of the patience with scaled-away slots."
    )

    @property
    def serving_replicas(self) -> tuple[str, ...]:
        """The replicas that get requests once they are ready."""
        return self.workload.replica_ids[: self.serving]


class RemovedWorkload(BaseModel):
    """A workload that must go; forgotten when the engine took that wish and its replicas were seen gone."""

    model_config = ConfigDict(frozen=True)

    id: WorkloadId
    since: AwareDatetime
    replicas: tuple[ReplicaId, ...] = Field(default=(), description="Those that were wanted last.")


class Desired(DeploymentMessage):
    """The whole decision; emitted by the deployer in the batch of the events that explain it."""

    type: Literal["desired.v1"] = "desired.v1"
    position: int = Field(ge=0, description="Sequence of the last command or build end that was decided.")
    wanted: Wanted = Wanted.RUNNING
    ended: bool = Field(default=False, description="Stopped or deleted, and no replica is left.")
    ending: OperationId | None = Field(default=None, description="Operation of the running stop or delete.")
    next_release: int = Field(default=1, ge=1)
    releases: tuple[DesiredRelease, ...] = ()
    workloads: tuple[DesiredWorkload, ...] = ()
    removed: tuple[RemovedWorkload, ...] = ()
    traffic: tuple[TrafficShare, ...] = ()
    failed: bool = Field(default=False, description="The last release that ended unserved failed.")

    def release(self, number: int) -> DesiredRelease | None:
        """Return the kept release of this number."""
        return next((release for release in self.releases if release.number == number), None)

    def workload(self, identifier: str) -> DesiredWorkload | None:
        """Return the wanted workload of this id."""
        return next((each for each in self.workloads if each.workload.id == identifier), None)

    @property
    def live(self) -> DesiredRelease | None:
        """The release that serves."""
        return next((release for release in self.releases if release.state is ReleaseState.LIVE), None)

    @property
    def unfinished(self) -> DesiredRelease | None:
        """The release on its way that has no traffic yet: the one a newer command supersedes."""
        shares = {share.release for share in self.traffic}
        return next(
            (
                release
                for release in self.releases
                if release.state in UNFINISHED_RELEASES and release.number not in shares
            ),
            None,
        )

    @property
    def shifting(self) -> DesiredRelease | None:
        """The release that is to get traffic and waits for the gateways to say so; past being superseded."""
        shares = {share.release for share in self.traffic}
        return next(
            (
                release
                for release in self.releases
                if release.state is ReleaseState.READY and release.number in shares
            ),
            None,
        )
