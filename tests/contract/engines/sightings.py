"""Collects what an engine reports, in the background, for tests to ask about."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import Workload
from slipway_engines.engine import (
    Engine,
    ImageProblem,
    Observation,
    ReplicaObserved,
    SnapshotComplete,
    TargetObserved,
)


class Sightings:
    """Everything one observation reported, in order."""

    def __init__(self) -> None:
        self.all: list[Observation] = []

    @property
    def complete(self) -> bool:
        return any(isinstance(each, SnapshotComplete) for each in self.all)

    @property
    def snapshot(self) -> "Sightings":
        """What was reported before `SnapshotComplete`."""
        found = Sightings()
        for each in self.all:
            if isinstance(each, SnapshotComplete):
                break
            found.all.append(each)
        return found

    def of(self, workload: Workload, replica: str) -> list[ReplicaObserved]:
        """Return the reports about one replica."""
        key = (workload.id, replica)
        found = [each for each in self.all if isinstance(each, ReplicaObserved)]
        return [each for each in found if (each.ref.workload.id, each.ref.id) == key]

    def states(self, workload: Workload) -> dict[str, ReplicaState]:
        """Return the latest state of each replica that was ever seen."""
        return {
            each.ref.id: each.state
            for each in self.all
            if isinstance(each, ReplicaObserved) and each.ref.workload.id == workload.id
        }

    async def until(
        self, workload: Workload, replica: str, state: ReplicaState, *, saying: str = "", within: float = 20
    ) -> ReplicaObserved:
        """Wait until a replica's latest report has this state and says this, and return it."""

        def latest() -> ReplicaObserved | None:
            reports = self.of(workload, replica)
            assert reports, "no report yet"
            assert reports[-1].state is state, reports[-1]
            assert saying in (reports[-1].detail or ""), reports[-1]
            return reports[-1]

        seen = await eventually(latest, timeout=within)
        assert seen is not None
        return seen

    async def ready(self, workload: Workload) -> dict[str, ReplicaObserved]:
        """Wait until all replicas that a workload wishes for are ready."""
        return {each: await self.until(workload, each, ReplicaState.READY) for each in workload.replica_ids}

    async def problem(self, workload: Workload) -> ImageProblem:
        """Wait for an image problem of a workload."""

        def found() -> ImageProblem | None:
            problems = [each for each in self.all if isinstance(each, ImageProblem)]
            return next((each for each in problems if each.ref.workload.id == workload.id), None)

        problem = await eventually(found, timeout=20)
        assert problem is not None
        return problem

    async def reachable(self, *, now: bool) -> TargetObserved:
        """Wait until the latest report about the target says this."""

        def latest() -> TargetObserved | None:
            reports = [each for each in self.all if isinstance(each, TargetObserved)]
            return reports[-1] if reports and reports[-1].reachable is now else None

        seen = await eventually(latest, timeout=20)
        assert seen is not None
        return seen


@asynccontextmanager
async def observing(engine: Engine) -> AsyncIterator[Sightings]:
    """Observe until the block ends; begins when everything there is was reported."""
    sightings = Sightings()

    async def collect() -> None:
        async for each in engine.observe():
            sightings.all.append(each)

    task = asyncio.create_task(collect())
    try:
        await eventually(lambda: sightings.complete or task.done())
        yield sightings
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
