"""One run per deployment at a time; wake-ups that come meanwhile share the next run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from slipway_deployer.deployments import Key


@dataclass
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    requested: int = 0
    served: int = 0


class Wakeups:
    """Runs `advance` for a deployment so that each wake-up is followed by a run that began after it."""

    def __init__(self, *, advance: Callable[[Key], Awaitable[None]]) -> None:
        self._advance = advance
        self._lanes: dict[Key, _Lane] = {}

    async def wake(self, key: Key) -> None:
        """Return when a run that began after this call has ended; raises what that run raised."""
        lane = self._lanes.setdefault(key, _Lane())
        lane.requested += 1
        ticket = lane.requested
        async with lane.lock:
            if lane.served >= ticket:
                return
            began = lane.requested
            await self._advance(key)
            lane.served = began
