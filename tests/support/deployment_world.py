"""A deployment in memory: the log's order, replicas and gateways that a test moves by hand."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from deployment_rounds import BEGIN, Rounds
from slipway_contracts.commands import (
    Cancel,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
    VersionImages,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.message import Message
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.traffic import AliasRoute, ReleaseRequest, RestoredRelease, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version

START = BEGIN
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


def shares(weights: dict[int, int]) -> tuple[TrafficShare, ...]:
    return tuple(TrafficShare(release=number, weight=weight) for number, weight in weights.items())


def make_restored(number: int, version: Version, **config: Any) -> RestoredRelease:
    return RestoredRelease(number=number, version=version, config=ReleaseConfig(**config))


def make_deploy(
    version: Version | None = None,
    build: str | None = None,
    *,
    alias: str = "live",
    weight: int = 100,
    beside: dict[int, int] | None = None,
    restored: tuple[RestoredRelease, ...] = (),
    settings: DeploymentSettings | None = None,
    **config: Any,
) -> Deploy:
    request = ReleaseRequest(
        version=version or (None if build else make_version()),
        build=build,
        config=ReleaseConfig(**config),
        alias=alias,
        weight=weight,
        beside=shares(beside or {}),
        restored=restored,
    )
    return Deploy(**OWNER, request=request, settings=settings)


def make_redeploy(version: Version, **config: Any) -> Redeploy:
    return Redeploy(**OWNER, request=ReleaseRequest(version=version, config=ReleaseConfig(**config)))


def make_start(
    version: Version,
    aliases: dict[str, dict[int, int]] | None = None,
    restored: tuple[RestoredRelease, ...] = (),
    **config: Any,
) -> Start:
    routes = tuple(AliasRoute(alias=name, shares=shares(to)) for name, to in (aliases or {}).items())
    request = ReleaseRequest(version=version, config=ReleaseConfig(**config))
    return Start(**OWNER, request=request, aliases=routes, restored=restored)


def make_set_alias(alias: str, to: dict[int, int], *restored: RestoredRelease) -> SetAlias:
    return SetAlias(**OWNER, alias=alias, shares=shares(to), restored=restored)


def make_remove_alias(alias: str) -> RemoveAlias:
    return RemoveAlias(**OWNER, alias=alias)


def make_pin(release: int, restored: RestoredRelease | None = None, *, pinned: bool = True) -> Pin:
    return Pin(**OWNER, release=release, pinned=pinned, restored=restored)


def make_configure(**settings: Any) -> Configure:
    return Configure(**OWNER, settings=DeploymentSettings(**settings))


def make_failure() -> FailureRecord:
    return FailureRecord(
        stage=Stage.BUILD, reason=Reason.MANIFEST_MISSING, message="none", hint="add one", at=START
    )


def make_stop() -> Stop:
    return Stop(**OWNER)


def images_of(*versions: Version) -> tuple[VersionImages, ...]:
    return tuple(
        VersionImages(id=each.id, label=each.label, images=tuple(one.image for one in each.endpoints))
        for each in versions
    )


def make_delete(*unloaded: Version) -> Delete:
    return Delete(**OWNER, level="unload" if unloaded else "hide", versions=images_of(*unloaded))


def make_undelete() -> Undelete:
    return Undelete(**OWNER)


def make_purge(*versions: Version) -> Purge:
    return Purge(**OWNER, versions=images_of(*versions))


def make_cancel() -> Cancel:
    return Cancel(**OWNER)


@dataclass
class World(Rounds):
    """What a test does to the target, the monitor and the gateways between the deployer's rounds."""

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
        if state is ReplicaState.READY:
            self.were_ready.add((workload, replica))
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
            **{"at": self.at, "address": "127.0.0.1:9000", **details},
        )

    def gone(self) -> None:
        """Let every replica of a removed workload be seen gone."""
        for removed in self.record.removed:
            for workload, replica in list(self.facts):
                if workload == removed.id:
                    self.see(workload, replica, ReplicaState.GONE)
        self.settle()

    def apply_gateway(self, active: int = 0, *, name: str = "one", held: bool = False) -> None:
        """Let a gateway apply the desired state, with this many requests on what drains; or hold it back."""
        in_routes = {
            workload
            for release in self.record.releases
            if release.number in self.record.routed or release.state is ReleaseState.LIVE
            for workload in release.workloads.values()
        }
        self.gateways[name] = GatewayRecord(
            gateway=name,
            held={"default/digits": self.record_sequence} if held else {},
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

    def go_well(self) -> None:
        """Let replicas come up and the gateway follow, until nothing is on its way."""
        for _ in range(4):
            self.replicas(ReplicaState.READY)
            self.apply_gateway()

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
