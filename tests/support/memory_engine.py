"""An engine that only remembers its wishes, for tests that look at decisions rather than processes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from slipway_contracts.workload import ReplicaRef, Workload, WorkloadRef
from slipway_engines.engine import Capacity, LogLine, Observation, Position
from slipway_engines.errors import EngineUnavailableError


class MemoryEngine:
    """Keeps the last wish per workload; `down` makes it refuse; a test says what is seen and logged."""

    def __init__(self) -> None:
        self.wishes: dict[str, Workload] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.applied = 0
        self.down = False
        self.sights: asyncio.Queue[Observation] = asyncio.Queue()
        self.lines: dict[str, list[LogLine]] = {}

    async def apply(self, workload: Workload, secrets: Mapping[str, str] | None = None) -> None:
        self._refuse_when_down()
        self.applied += 1
        self.wishes[workload.id] = workload
        self.secrets[workload.id] = dict(secrets or {})

    async def remove(self, workload: WorkloadRef) -> None:
        self._refuse_when_down()
        self.wishes.pop(workload.id, None)

    async def observe(self) -> AsyncIterator[Observation]:
        while True:
            yield await self.sights.get()

    async def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        for line in self.lines.get(replica.id, []):
            if line.position > since:
                yield line

    async def capacity(self) -> Capacity:
        return Capacity(cpu=2, memory_bytes=1 << 30, gpu=0, replicas=len(self.wishes))

    def _refuse_when_down(self) -> None:
        if self.down:
            raise EngineUnavailableError("the test said that this target is down")
