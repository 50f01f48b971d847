"""One run per deployment at a time; wake-ups that come meanwhile share the next run."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from slipway_contracts.replica import ReplicaFact

from slipway_deployer.records import Key


class Advance(Protocol):
    """What a wake-up runs; see `Deployments.advance`."""

    async def __call__(self, key: Key, *, resync: bool) -> bool:
        """Return False where it has to be run again later."""
        ...


class Disown(Protocol):
    """What removes strays; see `Deployments.disown`."""

    async def __call__(self, key: Key, strays: Sequence[ReplicaFact], /) -> bool:
        """Return False where it has to be run again later."""
        ...


@dataclass
class _Lane:
    """The wake-ups of one deployment.

    Attributes:
        lock: held by the run that is under way.
        requested: wake-ups so far.
        served: how many of them a run has ended for that began after them.
        resync: whether the next run is to tell all wishes again.
        settled: what the last run returned.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    requested: int = 0
    served: int = 0
    resync: bool = False
    settled: bool = True


class Wakeups:
    """Runs `advance` for a deployment so that each wake-up is followed by a run that began after it."""

    def __init__(self, *, advance: Advance, disown: Disown) -> None:
        self._advance = advance
        self._disown = disown
        self._lanes: dict[Key, _Lane] = {}

    async def wake(self, key: Key, *, resync: bool = False) -> bool:
        """Return what a run returned that began after this call; raises what it raised."""
        lane = self._lanes.setdefault(key, _Lane())
        lane.requested += 1
        ticket = lane.requested
        lane.resync = lane.resync or resync
        async with lane.lock:
            if lane.served < ticket:
                await self._run(key, lane)
        if lane.served == lane.requested:
            self._close(key, lane)
        return lane.settled

    async def disown(self, key: Key, strays: Sequence[ReplicaFact]) -> bool:
        """Remove strays while no run of their deployment is under way: none is wanted again meanwhile."""
        lane = self._lanes.setdefault(key, _Lane())
        lane.requested += 1
        ticket = lane.requested
        async with lane.lock:
            settled = await self._disown(key, strays)
        if lane.requested == ticket == lane.served + 1:
            self._close(key, lane)
        return settled

    def _close(self, key: Key, lane: _Lane) -> None:
        # One that shared a run may leave a lane that is closed already, while others run in the next.
        if self._lanes.get(key) is lane:
            del self._lanes[key]

    async def _run(self, key: Key, lane: _Lane) -> None:
        began, resync, lane.resync = lane.requested, lane.resync, False
        lane.settled = await self._advance(key, resync=resync)
        lane.served = began
