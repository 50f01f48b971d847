"""A deployer played by the test: takes the last command of a deployment, at once and with success."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api_world import Platform
from slipway_contracts.commands import (
    AnyDeployerCommand,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    ReleaseCommand,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.envelope import now
from slipway_contracts.events import (
    OperationSucceeded,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
    ReleaseStarting,
    TrafficShifted,
)
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, RestoredRelease, TrafficShare, releases_of
from slipway_contracts.workload import Workload


@dataclass(kw_only=True)
class Stage:
    """What is decided of one deployment."""

    platform: Platform
    deployment: str = "digits"
    desired: Desired | None = None

    @property
    def owner(self) -> dict[str, Any]:
        return {"group": "default", "deployment": self.deployment}

    async def take(self) -> int:
        """Do what the last command says, and return the sequence of its end."""
        stored = await self.platform.log.last(f"slipway.default.{self.deployment}.cmd.deployer.>")
        assert stored is not None
        command = stored.message
        assert isinstance(command, AnyDeployerCommand)
        gone = self.desired is None or self.desired.wanted in {Wanted.DELETED, Wanted.PURGED}
        if gone and isinstance(command, Deploy):
            number = self.desired.next_release if self.desired else 1
            self.desired = Desired(**self.owner, position=0, next_release=number)
        if isinstance(command, Deploy) and command.settings is not None:
            self._set(settings=command.settings)
        match command:
            case _ if isinstance(command, ReleaseCommand):
                await self._release(command, stored.envelope.id)
            case SetAlias():
                await self._restore(command.restored, stored.envelope.id)
                await self._point(command.alias, command.shares)
            case RemoveAlias():
                await self._point(command.alias, ())
            case Pin():
                await self._restore((command.restored,) if command.restored else (), stored.envelope.id)
                kept = set(self._now.pins) - {command.release}
                self._set(pins=tuple(sorted(kept | ({command.release} if command.pinned else set()))))
            case Configure():
                self._set(settings=command.settings)
            case Stop() | Delete() | Purge():
                await self._end(command)
            case Undelete():
                self._set(wanted=Wanted.STOPPED)
            case _:
                pass
        await self._retire()
        self._set(position=stored.sequence)
        await self.platform.tell(self._now)
        return await self.platform.tell(OperationSucceeded(**self.owner, operation=stored.envelope.id))

    @property
    def _now(self) -> Desired:
        assert self.desired is not None
        return self.desired

    def _set(self, **changes: Any) -> None:
        self.desired = self._now.model_copy(update=changes)

    async def _release(self, command: ReleaseCommand, operation: str) -> None:
        number, request = self._now.next_release, command.request
        assert request.version is not None
        created = ReleaseCreated(
            **self.owner,
            release=number,
            operation=operation,
            cause=getattr(command, "cause", command.type.split(".")[1]),
            version=request.version,
            config=request.config,
            alias=request.alias,
            copy_of=request.copy_of,
            by=command.by,
        )
        await self.platform.tell(created)
        self._set(next_release=number + 1, wanted=Wanted.RUNNING, ended=False, parked=())
        restored = [*request.restored, *(command.restored if isinstance(command, Start) else ())]
        mine = RestoredRelease(number=number, version=request.version, config=request.config)
        await self._restore((mine, *restored), operation)
        await self._point(
            request.alias, (TrafficShare(release=number, weight=request.weight), *request.beside)
        )
        for route in command.aliases if isinstance(command, Start) else ():
            await self._point(route.alias, route.shares)

    async def _restore(self, releases: Iterable[RestoredRelease], operation: str) -> None:
        for each in releases:
            if self._now.release(each.number) is not None:
                continue
            workload = Workload.of(
                **self.owner,
                endpoint=each.version.endpoints[0],
                config=each.config,
                replicas=each.config.replicas,
            )
            names = {each.version.endpoints[0].name: workload.id}
            begun = ReleaseStarting(
                **self.owner,
                release=each.number,
                version=each.version,
                workloads=names,
                deadline_at=now() + timedelta(minutes=5),
            )
            await self.platform.tell(begun)
            await self.platform.tell(ReleaseReady(**self.owner, release=each.number))
            await self.platform.tell(ReleaseLive(**self.owner, release=each.number, seconds=1.0))
            release = DesiredRelease(
                number=each.number,
                operation=operation,
                state=ReleaseState.LIVE,
                version=each.version,
                config=each.config,
                created_at=now(),
                created_by="admin",
                workloads=names,
            )
            wanted = DesiredWorkload(
                workload=workload, serving=each.config.replicas, crashes=(0,) * each.config.replicas
            )
            others = tuple(each for each in self._now.workloads if each.workload.id != workload.id)
            self._set(releases=(*self._now.releases, release), workloads=(*others, wanted))

    async def _point(self, alias: str, shares: tuple[TrafficShare, ...]) -> None:
        if alias == LIVE_ALIAS:
            self._set(traffic=shares)
        else:
            others = tuple(route for route in self._now.aliases if route.alias != alias)
            mine = (AliasRoute(alias=alias, shares=shares),) if shares else ()
            self._set(aliases=(*others, *mine))
        await self.platform.tell(TrafficShifted(**self.owner, alias=alias, shares=shares))

    async def _end(self, command: Stop | Delete | Purge) -> None:
        wanted = {
            Stop: Wanted.STOPPED,
            Delete: Wanted.DELETED,
            Purge: Wanted.PURGED,
        }[type(command)]
        self._set(parked=self._now.routes or self._now.parked, wanted=wanted, ended=True)
        for route in self._now.routes:
            await self._point(route.alias, ())

    async def _retire(self) -> None:
        pins = self._now.pins if self._now.wanted is Wanted.RUNNING else ()
        kept = frozenset(pins).union(*(releases_of(route.shares) for route in self._now.routes))
        for release in self._now.releases:
            if release.number not in kept:
                await self.platform.tell(ReleaseDraining(**self.owner, release=release.number))
                await self.platform.tell(ReleaseRetired(**self.owner, release=release.number))
        releases = tuple(release for release in self._now.releases if release.number in kept)
        needed = {workload for release in releases for workload in release.workloads.values()}
        workloads = tuple(each for each in self._now.workloads if each.workload.id in needed)
        self._set(releases=releases, workloads=workloads)
