import asyncio

import pytest
from eventually import eventually
from integration.monitor.terms import AT, count, facts, seen, watching
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LeaseLostError
from slipway_chassis.event_log import EventLog
from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.log_lines import LogLines
from slipway_contracts.replica import ReplicaState
from slipway_contracts.topology import LOG_LINES
from slipway_engines.engine import Capacity, LogLine, Position, SnapshotComplete


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


class RoomyEngine(MemoryEngine):
    """A target that lets replicas ask for more than it has."""

    async def capacity(self) -> Capacity:
        return Capacity(
            cpu=2, memory_bytes=1000, gpu=1, replicas=0, allocatable_cpu=32, allocatable_memory_bytes=4000
        )


async def test_the_target_is_announced_with_what_it_has_and_what_may_be_asked_of_it(
    log: EventLog, connection: Connection
) -> None:
    async with watching(connection, RoomyEngine(), epoch=3):

        async def announced() -> list[object]:
            return [stored.message async for stored in log.read("slipway._._.evt.target.>", after=0)]

        (event,) = await eventually(announced)

    assert event == TargetAnnounced(
        target="local",
        engine="supervisor",
        epoch=3,
        cpu=2,
        memory_bytes=1000,
        gpu=1,
        allocatable_cpu=32,
        allocatable_memory_bytes=4000,
    )


async def test_a_silent_replica_stays_ready_until_the_engine_says_what_its_silence_means(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY, pid=7))
        await count(log, 1)

    async with watching(connection, engine, epoch=2) as term:
        engine.sights.put_nowait(seen(ReplicaState.STARTED, pid=7, silent=True))
        believed = (await count(log, 2))[-1]
        doubts = [each for each in asyncio.all_tasks() if "_believe_no_more" in str(each.get_coro())]
        engine.sights.put_nowait(seen(ReplicaState.UNREADY, pid=7, detail="It hangs."))
        judged = (await count(log, 3))[-1]
        assert not term.done()

    assert believed.state is ReplicaState.READY
    assert doubts == []
    assert judged.state is ReplicaState.UNREADY


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


@pytest.mark.usefixtures("log")
async def test_a_next_monitor_ships_only_the_lines_that_were_not_shipped(connection: Connection) -> None:
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


async def shipped(lines: EventLog) -> list[str]:
    return [
        line.text
        async for stored in lines.read("slipway.*.*.log.>", after=0)
        for line in LogLines.model_validate_json(stored.data).lines
    ]


async def shipped_last(lines: EventLog, text: str) -> list[str] | None:
    texts = await shipped(lines)
    return texts if texts and texts[-1] == text else None
