"""What commands ask for before they are decided: of a group's quota, and of a target's room. Pure.

Several commands may wait for a decision; each is charged with those before it.
"""

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import Field

from slipway_contracts.commands import (
    AnyDeployerCommand,
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
)
from slipway_contracts.desired import Desired
from slipway_contracts.frozen import Frozen
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.quota import HELD, Charge, held, merge, needs_of, replicas_of, total
from slipway_contracts.release import ReleaseConfig, Strategy
from slipway_contracts.traffic import AliasRoute, RestoredRelease, TrafficShare
from slipway_contracts.version import Version
from slipway_contracts.workload import workload_id

_Run = tuple[str, ReleaseConfig, Version | None]


class Holdings(Frozen):
    """Which releases aliases and pins will name, and what each of these needs by workload."""

    aliases: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    pins: tuple[str, ...] = ()
    needs: Mapping[str, Mapping[str, Charge]] = Field(default_factory=dict)

    @classmethod
    def of(cls, desired: Desired | None) -> Self:
        """Return what is decided, all moves done."""
        if desired is None or desired.wanted is not Wanted.RUNNING:
            return cls()
        aliases = {route.alias: _names(route.shares) for route in desired.routes}
        aliases |= {move.alias: _names(move.shares) for move in desired.moves}
        needs = {
            str(each.number): needs_of(each.config, each.version, each.workloads, str(each.number))
            for each in desired.releases
            if each.state in HELD
        }
        return cls(aliases=aliases, pins=tuple(map(str, desired.pins)), needs=needs)

    def after(self, command: AnyDeployerCommand) -> Self:
        """Return what is left when a command is done too."""
        runs = {name: _needs(command, config, version) for name, config, version in self._runs(command)}
        known = self.model_copy(update={"needs": {**runs, **self.needs}})
        match command:
            case Deploy(request=request) | Redeploy(request=request) | Start(request=request):
                shares = (self._new, *_names(request.beside))
                return known._routed(*command.aliases)._pointed(request.alias, shares)  # noqa: SLF001
            case SetAlias():
                return known._pointed(command.alias, _names(command.shares))  # noqa: SLF001
            case RemoveAlias():
                return known._pointed(command.alias, ())  # noqa: SLF001
            case Pin(release=number):
                others = tuple(each for each in known.pins if each != str(number))
                pins = (*others, str(number)) if command.pinned else others
                return known.model_copy(update={"pins": pins})
            case Stop() | Delete() | Purge():
                return type(self)()
            case _:
                return self

    @property
    def charge(self) -> Charge:
        """What all of it holds."""
        return total(self.workloads().values()).plus(Charge(deployments=1))

    def workloads(self) -> dict[str, Charge]:
        """Return what the releases that something names need, by workload."""
        named = {*self.pins}.union(*self.aliases.values())
        needs: dict[str, Charge] = {}
        for name, workloads in self.needs.items():
            if name in named:
                merge(needs, workloads)
        return needs

    @property
    def _new(self) -> str:
        return f"new {len(self.needs)}"

    def _runs(self, command: AnyDeployerCommand) -> tuple[_Run, ...]:
        return runs_of(command, new=self._new)

    def _routed(self, *routes: AliasRoute) -> Self:
        more = {route.alias: _names(route.shares) for route in routes}
        return self.model_copy(update={"aliases": {**self.aliases, **more}})

    def _pointed(self, alias: str, names: tuple[str, ...]) -> Self:
        return self.model_copy(update={"aliases": {**self.aliases, alias: names}})


def asked_by(
    desired: Desired | None, command: AnyDeployerCommand, pending: Iterable[AnyDeployerCommand] = ()
) -> Charge | None:
    """Return what a deployment will hold by this command; None for one that lets nothing more run.

    Args:
        desired: what was decided last.
        command: comes behind all that is pending.
        pending: commands that are not decided yet, in order.
    """
    if isinstance(command, Undelete):
        return held(desired)
    if not lets_run(command):
        return None
    holdings = Holdings.of(desired)
    for each in pending:
        holdings = holdings.after(each)
    return held(desired).at_least(holdings.after(command).charge)


def targets_of(command: AnyDeployerCommand) -> tuple[str, ...]:
    """Return the targets on which this command lets something run."""
    return tuple(dict.fromkeys(config.target for _, config, _ in runs_of(command)))


def peak(
    desired: Desired | None,
    command: AnyDeployerCommand,
    target: str,
    pending: Iterable[AnyDeployerCommand] = (),
) -> Charge:
    """Return what a deployment holds of a target while this command takes effect, old and new together.

    What runs already is there once; `in-place` ends what it replaces before it starts the new.
    """
    runs = [run for run in runs_of(command) if run[1].target == target]
    in_place = bool(runs) and all(config.strategy is Strategy.IN_PLACE for _, config, _ in runs)
    stays = Holdings.of(desired).after(command).workloads() if in_place else {}
    needs: dict[str, Charge] = {}
    for each in desired.workloads if desired is not None else ():
        if each.workload.target == target and (not in_place or each.workload.id in stays):
            needs[each.workload.id] = replicas_of(each.workload.size, len(each.workload.slots))
    for waiting in (*pending, command):
        for _, config, version in runs_of(waiting):
            if config.target == target:
                merge(needs, _needs(waiting, config, version))
    return total(needs.values())


def runs_of(command: AnyDeployerCommand, *, new: str = "new") -> tuple[_Run, ...]:
    """Return (a name, configuration, version) of each release that this command may start."""
    restored: tuple[RestoredRelease, ...] = ()
    made: tuple[_Run, ...] = ()
    match command:
        case Deploy(request=request) | Redeploy(request=request) | Start(request=request):
            restored = request.restored + command.restored
            made = ((new, request.config, request.version),)
        case SetAlias():
            restored = command.restored
        case Pin(pinned=True, restored=RestoredRelease() as one):
            restored = (one,)
        case _:
            pass
    return made + tuple((str(each.number), each.config, each.version) for each in restored)


def lets_run(command: AnyDeployerCommand) -> bool:
    """Return whether more may run after this command than before it."""
    match command:
        case Deploy() | Redeploy() | Start() | SetAlias() | Undelete() | Pin(pinned=True):
            return True
        case _:
            return False


def _names(shares: Iterable[TrafficShare]) -> tuple[str, ...]:
    return tuple(str(share.release) for share in shares)


def _needs(command: AnyDeployerCommand, config: ReleaseConfig, version: Version | None) -> dict[str, Charge]:
    endpoints = version.endpoints if version is not None else ()
    workloads = {
        each.name: workload_id(command.group, command.deployment, each, config) for each in endpoints
    }
    unnamed = f"{command.request_digest} {command.type}"
    return needs_of(config, version, workloads, unnamed)
