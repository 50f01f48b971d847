"""Replicas that accept and do not answer: which of them hang, and which are merely busy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contract.engines.apps import ask
from contract.engines.local_target import LocalTarget
from contract.engines.sightings import Sightings, observing
from contract.engines.target import workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec
from slipway_contracts.workload import Workload
from slipway_engines.engine import ReplicaObserved

SCRIPT = Path(__file__).parents[3] / "examples" / "misbehaving" / "misbehave.py"
SINGLE_THREADED = {"SINGLE_THREADED": "1"}
YOUNG = timedelta(seconds=5)


def misbehaving(target: LocalTarget, **overrides: Any) -> Workload:
    image = target.shelf.image({"app/misbehave.py": SCRIPT.read_text()})
    command = CommandSpec(argv=("python", "misbehave.py"))
    return workload_of(target, **{"image": image, "command": command, "health": "/health", **overrides})


@asynccontextmanager
async def calling(address: str | None, path: str) -> AsyncIterator[asyncio.Task[dict[str, Any]]]:
    """Wait for an answer in the background."""
    task = asyncio.create_task(ask(address, path))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, OSError, ValueError):
            await task


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A replica that was ready, and all that was seen of it since."""

    seen: Sightings
    workload: Workload
    ready: ReplicaObserved
    until_ready: int

    @property
    def since_ready(self) -> list[ReplicaObserved]:
        return self.seen.of(self.workload, "0-1")[self.until_ready :]

    async def unready(self) -> ReplicaObserved:
        return await self.seen.until(self.workload, "0-1", ReplicaState.UNREADY, within=60)

    async def ready_again(self) -> None:
        await self.seen.ready(self.workload)


@asynccontextmanager
async def watched(target: LocalTarget, **overrides: Any) -> AsyncIterator[Watched]:
    """Watch a misbehaving replica, from when it is ready."""
    workload = misbehaving(target, **overrides)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        yield Watched(seen=seen, workload=workload, ready=ready, until_ready=len(seen.of(workload, "0-1")))


async def no_longer_young(replica: ReplicaObserved) -> None:
    """Wait until who begins to watch it cannot take it for one that is still starting."""
    started = replica.started_at
    assert started is not None
    await eventually(lambda: datetime.now(UTC) - started > YOUNG)


async def test_a_replica_that_hangs_while_nobody_waits_is_unready_soon(target: LocalTarget) -> None:
    async with watched(target) as replica:
        await ask(replica.ready.address, "/hang")

        report = await replica.unready()

    assert "accepts connections, but has not answered GET /health" in (report.detail or "")
    assert report.pid == replica.ready.pid


async def test_hanging_and_coming_back_is_one_report_each(target: LocalTarget) -> None:
    async with watched(target) as replica:
        for _ in range(2):
            await ask(replica.ready.address, "/hang-health")
            await replica.unready()
            await ask(replica.ready.address, "/recover")
            await replica.ready_again()

        reports = replica.since_ready

    assert [each.state for each in reports] == 2 * [ReplicaState.UNREADY, ReplicaState.READY]


async def test_a_single_thread_that_is_busy_with_a_caller_stays_ready(target: LocalTarget) -> None:
    async with watched(target, environment=SINGLE_THREADED, timeout_seconds=60.0) as replica:
        answer = await ask(replica.ready.address, "/slow/20")

        assert answer["pid"] == replica.ready.pid
        assert replica.since_ready == []


async def test_a_replica_that_leaves_its_callers_waiting_for_too_long_is_unready(
    target: LocalTarget,
) -> None:
    async with (
        watched(target, environment=SINGLE_THREADED, timeout_seconds=8.0) as replica,
        calling(replica.ready.address, "/slow/1000") as call,
    ):
        await replica.unready()

        assert not call.done()


async def test_without_a_health_path_a_caller_that_waits_shows_that_a_replica_hangs(
    target: LocalTarget,
) -> None:
    async with watched(target, health=None, timeout_seconds=8.0) as replica:
        await ask(replica.ready.address, "/hang")

        async with calling(replica.ready.address, "/"):
            report = await replica.unready()

    assert "has not answered any request" in (report.detail or "")


async def test_without_a_health_path_one_slow_answer_is_no_sign_of_a_replica_that_hangs(
    target: LocalTarget,
) -> None:
    async with watched(target, health=None, timeout_seconds=6.0) as replica:
        answer = await ask(replica.ready.address, "/slow/15")

        assert answer["did"] == "slow"
        assert replica.since_ready == []


async def test_who_begins_to_watch_a_busy_replica_does_not_call_it_unready(target: LocalTarget) -> None:
    async with watched(target, environment=SINGLE_THREADED, timeout_seconds=60.0) as before:
        pass
    await no_longer_young(before.ready)

    async with calling(before.ready.address, "/slow/12"), observing(target.engine()) as seen:
        await seen.ready(before.workload)

        reports = seen.of(before.workload, "0-1")

    assert [(each.state, each.silent) for each in reports] == [
        (ReplicaState.STARTED, True),
        (ReplicaState.READY, False),
    ]
