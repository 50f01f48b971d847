"""Replicas that accept and do not answer: which of them hang, and which are merely busy."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
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


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[LocalTarget]:
    target = LocalTarget(tmp_path)
    yield await target.up()
    await target.clear()


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


async def unready(seen: Sightings, workload: Workload) -> ReplicaObserved:
    def latest() -> ReplicaObserved | None:
        report = seen.of(workload, "0-1")[-1]
        return report if report.state is ReplicaState.UNREADY else None

    report = await eventually(latest, timeout=60)
    assert report is not None
    return report


async def test_a_replica_that_hangs_while_nobody_waits_is_unready_soon(target: LocalTarget) -> None:
    workload = misbehaving(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()

        await ask(ready.address, "/hang")

        report = await unready(seen, workload)
        assert "accepts connections, but has not answered GET /health" in (report.detail or "")
        assert report.pid == ready.pid


async def test_hanging_and_coming_back_is_one_report_each(target: LocalTarget) -> None:
    workload = misbehaving(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        before = len(seen.of(workload, "0-1"))

        for _ in range(2):
            await ask(ready.address, "/hang-health")
            await unready(seen, workload)
            await ask(ready.address, "/recover")
            await seen.ready(workload)

        reports = seen.of(workload, "0-1")[before:]
        assert [each.state for each in reports] == 2 * [ReplicaState.UNREADY, ReplicaState.READY]


async def test_a_single_thread_that_is_busy_with_a_caller_stays_ready(target: LocalTarget) -> None:
    workload = misbehaving(target, environment=SINGLE_THREADED, timeout_seconds=60.0)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        before = len(seen.of(workload, "0-1"))

        answer = await ask(ready.address, "/slow/20")

        assert answer["pid"] == ready.pid
        assert seen.of(workload, "0-1")[before:] == []


async def test_a_replica_that_leaves_its_callers_waiting_for_too_long_is_unready(
    target: LocalTarget,
) -> None:
    workload = misbehaving(target, environment=SINGLE_THREADED, timeout_seconds=8.0)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()

        async with calling(ready.address, "/slow/1000") as call:
            await unready(seen, workload)

            assert not call.done()


async def test_without_a_health_path_a_caller_that_waits_shows_that_a_replica_hangs(
    target: LocalTarget,
) -> None:
    workload = misbehaving(target, health=None, timeout_seconds=8.0)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        await ask(ready.address, "/hang")

        async with calling(ready.address, "/"):
            report = await unready(seen, workload)

        assert "has not answered any request" in (report.detail or "")


async def test_without_a_health_path_one_slow_answer_is_no_sign_of_a_replica_that_hangs(
    target: LocalTarget,
) -> None:
    workload = misbehaving(target, health=None, timeout_seconds=6.0)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        before = len(seen.of(workload, "0-1"))

        answer = await ask(ready.address, "/slow/15")

        assert answer["did"] == "slow"
        assert seen.of(workload, "0-1")[before:] == []


async def test_who_begins_to_watch_a_busy_replica_does_not_call_it_unready(target: LocalTarget) -> None:
    workload = misbehaving(target, environment=SINGLE_THREADED, timeout_seconds=60.0)
    engine = target.engine()
    async with observing(engine) as first:
        await engine.apply(workload)
        (ready,) = (await first.ready(workload)).values()
    started = time.monotonic()
    await eventually(lambda: time.monotonic() - started > 6, timeout=20)

    async with calling(ready.address, "/slow/12") as call:
        await eventually(lambda: not call.done())
        async with observing(target.engine()) as seen:
            await seen.ready(workload)

            reports = seen.of(workload, "0-1")

    assert [(each.state, each.silent) for each in reports] == [
        (ReplicaState.STARTED, True),
        (ReplicaState.READY, False),
    ]
