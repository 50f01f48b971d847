"""Desired state: what the deployer decided for one deployment. The last record is the truth."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.commands import RemoveVersions
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState, Wanted
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import (
    BuildId,
    Digest,
    EndpointName,
    Label,
    OperationId,
    ReplicaId,
    VersionId,
    WorkloadId,
)
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, Move, TrafficShare, releases_of
from slipway_contracts.version import Version
from slipway_contracts.workload import Workload


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
    copy_of: int | None = Field(default=None, description="Release of which it is an exact copy.")
    restored: bool = Field(default=False, description="It ran before: without success it is RETIRED again.")
    awaited_by: OperationId | None = Field(
        default=None, description="Operation of the pin that ends when this release runs."
    )
    awaited_traceparent: str | None = Field(
        default=None, description="Trace of that pin; none: it made the release as well."
    )


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


class Settling(BaseModel):
    """A change of the settings that the gateways have to apply; its operation ends when they have."""

    model_config = ConfigDict(frozen=True)

    operation: OperationId
    deadline_at: AwareDatetime
    traceparent: str | None = None


class KeptVersion(BaseModel):
    """A version whose images are kept because a recent, aliased or pinned release runs it."""

    model_config = ConfigDict(frozen=True)

    id: VersionId
    label: Label
    images: tuple[Digest, ...]
    release: int = Field(ge=1, description="The newest release that ran it, or tried.")
    releases: tuple[int, ...] = Field(default=(), description="Those that were live, oldest first.")


class Desired(DeploymentMessage):
    """The whole decision; emitted by the deployer in the batch of the events that explain it."""

    type: Literal["desired.v1"] = "desired.v1"
    position: int = Field(ge=0, description="Sequence of the last command or build end that was decided.")
    wanted: Wanted = Wanted.RUNNING
    ended: bool = Field(default=False, description="Stopped or deleted, and no replica is left.")
    ending: OperationId | None = Field(default=None, description="Operation of the running stop or delete.")
    ending_deadline_at: AwareDatetime | None = Field(
        default=None, description="By when the stop or delete should have ended."
    )
    ending_traceparent: str | None = Field(
        default=None, description="Trace of the stop or delete, until no replica is left."
    )
    next_release: int = Field(default=1, ge=1)
    releases: tuple[DesiredRelease, ...] = ()
    workloads: tuple[DesiredWorkload, ...] = ()
    removed: tuple[RemovedWorkload, ...] = ()
    traffic: tuple[TrafficShare, ...] = Field(default=(), description="Where the alias `live` points.")
    aliases: tuple[AliasRoute, ...] = Field(default=(), description="Where all other aliases point.")
    moves: tuple[Move, ...] = Field(default=(), description="Aliases on their way, in the order of commands.")
    pins: tuple[int, ...] = Field(default=(), description="Releases that run although no alias names them.")
    parked: tuple[AliasRoute, ...] = Field(
        default=(), description="Aliases, `live` too, as they were when the deployment was stopped."
    )
    kept_versions: tuple[KeptVersion, ...] = ()
    unloading: RemoveVersions | None = Field(
        default=None, description="What the builder is told once the delete that removes images has ended."
    )
    settings: DeploymentSettings = DeploymentSettings()
    former_names: tuple[FormerName, ...] = ()
    settling: tuple[Settling, ...] = Field(
        default=(), description="Changes of name or access that the gateways have yet to apply."
    )
    failed: bool = Field(default=False, description="The last release that ended unserved failed.")
    crash_loop: FailureRecord | None = Field(
        default=None, description="Why the release that serves has no replica that stays."
    )

    @property
    def name(self) -> str:
        """The deployment's place in the URL path."""
        return self.settings.name or self.deployment

    @property
    def routes(self) -> tuple[AliasRoute, ...]:
        """Where every alias points, `live` first."""
        live = (AliasRoute(alias=LIVE_ALIAS, shares=self.traffic),) if self.traffic else ()
        return live + self.aliases

    def shares_of(self, alias: str) -> tuple[TrafficShare, ...]:
        """Return where this alias points."""
        return next((route.shares for route in self.routes if route.alias == alias), ())

    @property
    def routed(self) -> frozenset[int]:
        """The releases that some alias sends requests to."""
        return frozenset(share.release for route in self.routes for share in route.shares)

    @property
    def kept_after_moves(self) -> frozenset[int]:
        """The releases that an alias or pin will name when every move is done."""
        after = {route.alias: route.shares for route in self.routes}
        after |= {move.alias: move.shares for move in self.moves}
        return frozenset(self.pins).union(*map(releases_of, after.values()))

    def release(self, number: int) -> DesiredRelease | None:
        """Return the kept release of this number."""
        return next((release for release in self.releases if release.number == number), None)

    def workload(self, identifier: str) -> DesiredWorkload | None:
        """Return the wanted workload of this id."""
        return next((each for each in self.workloads if each.workload.id == identifier), None)

    def serving(self, alias: str = LIVE_ALIAS) -> tuple[DesiredRelease, ...]:
        """Return the releases that answer the requests of this alias now, the one with most of them first.

        While the gateways are told of a change, these are the releases from before.
        """
        shifting = next((move for move in self.moves if move.shifted and move.alias == alias), None)
        shares = shifting.before if shifting else self.shares_of(alias)
        ordered = sorted(shares, key=lambda share: (-share.weight, -share.release))
        found = (self.release(share.release) for share in ordered)
        return tuple(each for each in found if each is not None and each.state is ReleaseState.LIVE)

    @property
    def live(self) -> DesiredRelease | None:
        """The release that serves most requests of the alias `live`."""
        return next(iter(self.serving()), None)

    @property
    def unfinished(self) -> tuple[DesiredRelease, ...]:
        """The releases on their way that have no traffic yet: those that a newer command supersedes."""
        routed = self.routed
        return tuple(
            release
            for release in self.releases
            if release.state in UNFINISHED_RELEASES and release.number not in routed
        )

    @property
    def shifting(self) -> tuple[Move, ...]:
        """The moves that wait for the gateways; past being superseded."""
        return tuple(move for move in self.moves if move.shifted)
