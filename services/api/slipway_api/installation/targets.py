"""Targets: what they have, what deployments hold of it, and whether a monitor watches them."""

from collections.abc import Sequence
from dataclasses import dataclass

from slipway_contracts.quota import Charge
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads
from slipway_store.rows import UnknownWorkloadRow

from slipway_api.answers.installation_views import Room, TargetDetail, UnknownWorkload
from slipway_api.identity.access import Principal
from slipway_api.installation.directory import Directory, TargetKnown
from slipway_api.refusing import problems, refusals
from slipway_api.submitting.reservations import Reservations
from slipway_api.submitting.room import allocatable, overcommitted


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What Postgres knows about targets."""

    used: dict[str, Charge]
    unknown: Sequence[UnknownWorkloadRow]


class Targets:
    """Shows targets.

    Args:
        directory: knows them.
        reservations: knows what is held of them.
        reads: knows which workloads nobody wants.
    """

    def __init__(self, *, directory: Directory, reservations: Reservations, reads: Reads) -> None:
        self._directory = directory
        self._reservations = reservations
        self._reads = reads

    async def show(self, caller: Principal, name: str) -> TargetDetail:
        """Return a target.

        Raises:
            TargetNotFoundError: no monitor ever announced it.
        """
        known = self._directory.target(name)
        if known is None:
            raise refusals.target_not_found(name, self._directory.targets(), problems.TargetAbsentError)
        return next(iter(await self._shown(caller, [known])))

    async def all(self, caller: Principal) -> list[TargetDetail]:
        """Return all targets by name."""
        return await self._shown(caller, self._directory.targets())

    async def _shown(self, caller: Principal, known: Sequence[TargetKnown]) -> list[TargetDetail]:
        counted = await self._counted([each.announced.target for each in known])
        return [_detail(each, counted, caller) for each in known]

    async def _counted(self, names: Sequence[str]) -> _Counted | None:
        try:
            used = await self._reservations.of_targets(names)
            return _Counted(used=used, unknown=await self._reads.unknown_workloads())
        except DatabaseUnavailableError:
            return None


def _detail(known: TargetKnown, counted: _Counted | None, caller: Principal) -> TargetDetail:
    announced = known.announced
    whole = allocatable(announced)
    used = counted.used.get(announced.target, Charge()) if counted else None
    notices = None if used is None else list(overcommitted(announced, used))
    return TargetDetail(
        name=announced.target,
        engine=announced.engine,
        cpu=announced.cpu,
        memory_bytes=announced.memory_bytes,
        lost=known.lost,
        capacity=Room(cpu=announced.cpu, memory_bytes=announced.memory_bytes, gpu=announced.gpu),
        allocatable=Room.model_validate(whole),
        used=used,
        free=None
        if used is None
        else Room.model_validate(
            {resource: max(amount - getattr(used, resource), 0) for resource, amount in whole.items()}
        ),
        overcommitted=None if notices is None else bool(notices),
        notices=notices or [],
        health="lost" if known.lost else "watched",
        lost_since=known.lost_since,
        unknown_workloads=None
        if counted is None
        else [
            UnknownWorkload.model_validate(row)
            for row in counted.unknown
            if row.target == announced.target and caller.role_in(row.group) is not None
        ],
    )
