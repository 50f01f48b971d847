import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LeaseLostError
from slipway_chassis.event_log import EventLog
from slipway_contracts.log_lines import LogLines
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.topology import LOG_LINES
from slipway_contracts.workload import ReplicaRef, WorkloadRef
from slipway_engines.engine import LogLine, Position, ReplicaObserved, SnapshotComplete
from slipway_monitor.replica_logs import ReplicaLogs
from slipway_monitor.watch import Watch

AT = datetime(2026, 1, 1, tzinfo=UTC)
REPLICA = ReplicaRef(
    workload=WorkloadRef(group="default", deployment="digits", id="0123456789abcdef"), id="0-1"
)


def seen(state: ReplicaState, **details: Any) -> ReplicaObserved:
    return ReplicaObserved(ref=REPLICA, endpoint="predict", state=state, at=AT, **details)


@asynccontextmanager
async def watching(
    connection: Connection, engine: MemoryEngine, *, epoch: int
) -> AsyncIterator[asyncio.Task[None]]:
    logs = ReplicaLogs(connection=connection, engine=engine)
    watch = Watch(
        log=EventLog(connection=connection),
        engine=engine,
        logs=logs,
        target="local",
        kind="supervisor",
        epoch=epoch,
    )
    task = asyncio.create_task(watch.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LeaseLostError):
            await task
        await logs.close()


async def facts(log: EventLog) -> list[ReplicaFact]:
    found = [stored.message async for stored in log.read("slipway.*.*.replica.>", after=0)]
    return [fact for fact in found if isinstance(fact, ReplicaFact)]


async def count(log: EventLog, number: int) -> list[ReplicaFact]:
    async def enough() -> list[ReplicaFact] | None:
        found = await facts(log)
        return found if len(found) >= number else None

    found = await eventually(enough)
    assert found is not None
    return found


async def test_each_change_is_one_fact_and_a_repeat_is_none(log: EventLog, connection: Connection) -> None:
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        for state in (ReplicaState.STARTED, ReplicaState.READY, ReplicaState.READY, ReplicaState.EXITED):
            engine.sights.put_nowait(seen(state))
        found = await count(log, 3)

    assert [fact.state for fact in found] == [
        ReplicaState.STARTED,
        ReplicaState.READY,
        ReplicaState.EXITED,
    ]
    assert [fact.transition for fact in found] == [1, 2, 3]


async def test_a_replica_that_ended_while_nobody_watched_is_said_to_be_gone(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY))
        await count(log, 1)

    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(SnapshotComplete(at=AT))
        found = await count(log, 2)

    assert found[-1].state is ReplicaState.GONE


async def test_nothing_is_gone_before_the_engine_has_reported_everything(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY))
        await count(log, 1)

    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(seen(ReplicaState.READY))
        engine.sights.put_nowait(SnapshotComplete(at=AT))
        found = await count(log, 2)

    assert [fact.state for fact in found] == [ReplicaState.READY, ReplicaState.READY]
    assert [fact.epoch for fact in found] == [1, 2]


async def test_a_ready_replica_stays_ready_while_the_next_monitor_has_yet_to_probe_it(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY, pid=7))
        await count(log, 1)

    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(seen(ReplicaState.STARTED, pid=7))
        believed = (await count(log, 2))[-1]
        doubted = (await count(log, 3))[-1]
        engine.sights.put_nowait(seen(ReplicaState.STARTED, pid=8))
        replaced = (await count(log, 4))[-1]

    assert believed.state is ReplicaState.READY
    assert doubted.state is ReplicaState.UNREADY
    assert replaced.state is ReplicaState.STARTED


async def test_a_predecessors_late_write_is_refused(log: EventLog, connection: Connection) -> None:
    old, new = MemoryEngine(), MemoryEngine()
    async with watching(connection, old, epoch=1) as predecessor:
        old.sights.put_nowait(seen(ReplicaState.READY))
        await count(log, 1)
        async with watching(connection, new, epoch=2):
            new.sights.put_nowait(seen(ReplicaState.UNREADY))
            await count(log, 2)

            old.sights.put_nowait(seen(ReplicaState.EXITED))
            with pytest.raises(LeaseLostError, match="epoch 2"):
                await predecessor

    assert (await facts(log))[-1].state is ReplicaState.UNREADY


async def test_a_next_monitor_ships_only_the_lines_that_were_not_shipped(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    lines = EventLog(connection=connection, stream=LOG_LINES.name)
    engine.lines["0-1"] = [LogLine(at=AT, stream="stdout", text="one", position=Position("1"))]
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.STARTED))
        await eventually(lambda: shipped(lines))

    engine.lines["0-1"].append(LogLine(at=AT, stream="stderr", text="two", position=Position("2")))
    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(seen(ReplicaState.STARTED))
        texts = await eventually(lambda: shipped_last(lines, "two"))

    assert texts == ["one", "two"]
    assert log is not None


async def shipped(lines: EventLog) -> list[str]:
    return [
        line.text
        async for stored in lines.read("slipway.*.*.log.>", after=0)
        for line in LogLines.model_validate_json(stored.data).lines
    ]


async def shipped_last(lines: EventLog, text: str) -> list[str] | None:
    texts = await shipped(lines)
    return texts if texts and texts[-1] == text else None
