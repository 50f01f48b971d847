"""What goes on, and what ends, when following a log fails, a replica goes, a term ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from eventually import eventually
from integration.monitor.terms import AT, REPLICA, seen, watching
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.leases import Lease
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.log_lines import LogLines
from slipway_contracts.replica import ReplicaState
from slipway_contracts.topology import LOG_LINES
from slipway_contracts.workload import ReplicaRef
from slipway_engines.engine import LogLine, Observation, Position
from slipway_monitor.main import _term
from slipway_monitor.replica_logs import ReplicaLogs
from slipway_monitor.settings import MonitorSettings


class StumblingEngine(MemoryEngine):
    """Fails when a log is read for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.stumbled = False

    async def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        if not self.stumbled:
            self.stumbled = True
            raise OSError("the file is locked")
        async for line in super().logs(replica, since):
            yield line


class EndlessEngine(MemoryEngine):
    """Has logs that do not end."""

    async def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        async for line in super().logs(replica, since):
            yield line
        await asyncio.Event().wait()


class SlowEngine(MemoryEngine):
    """Has lines that come one by one, and ends once all have."""

    async def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        async for line in super().logs(replica, since):
            await asyncio.sleep(0.5)
            yield line


class StubbornEngine(MemoryEngine):
    """Ends its observation only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.observed, self.ending, self.let = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def observe(self) -> AsyncIterator[Observation]:
        self.observed.set()
        try:
            async for each in super().observe():
                yield each
        finally:
            self.ending.set()
            await self.let.wait()


async def shipped(connection: Connection) -> list[str]:
    lines = EventLog(connection=connection, stream=LOG_LINES.name)
    return [
        line.text
        async for stored in lines.read("slipway.*.*.log.>", after=0)
        for line in LogLines.model_validate_json(stored.data).lines
    ]


def followers() -> list[str]:
    return [each.get_name() for each in asyncio.all_tasks() if each.get_name() == f"logs of {REPLICA.id}"]


@pytest.mark.usefixtures("log")
async def test_a_log_that_could_not_be_read_is_read_although_its_replica_does_not_change(
    connection: Connection,
) -> None:
    engine = StumblingEngine()
    engine.lines[REPLICA.id] = [LogLine(at=AT, stream="stdout", text="one", position=Position("1"))]

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY))
        texts = await eventually(lambda: shipped(connection))

    assert engine.stumbled
    assert texts == ["one"]


@pytest.mark.usefixtures("log")
async def test_a_log_that_is_read_out_is_left_to_the_next_term(connection: Connection) -> None:
    engine = EndlessEngine()
    engine.lines[REPLICA.id] = [LogLine(at=AT, stream="stdout", text="one", position=Position("1"))]
    logs = ReplicaLogs(connection=connection, engine=engine)
    logs.follow(REPLICA)
    await eventually(lambda: shipped(connection))

    logs.forget(REPLICA)
    reading_out = followers()
    await logs.close()

    assert reading_out
    assert followers() == []


@pytest.mark.usefixtures("log")
async def test_a_log_is_read_out_for_as_long_as_lines_come_of_it(connection: Connection) -> None:
    engine = SlowEngine()
    engine.lines[REPLICA.id] = [
        LogLine(at=AT, stream="stdout", text=str(number), position=Position(str(number)))
        for number in range(1, 9)
    ]
    logs = ReplicaLogs(connection=connection, engine=engine, read_out_seconds=2)

    logs.follow(REPLICA)
    logs.forget(REPLICA)
    await eventually(lambda: followers() == [])

    assert await shipped(connection) == [str(number) for number in range(1, 9)]


@pytest.mark.usefixtures("log")
async def test_a_log_that_gives_nothing_more_and_does_not_end_is_left(connection: Connection) -> None:
    engine = EndlessEngine()
    engine.lines[REPLICA.id] = [LogLine(at=AT, stream="stdout", text="one", position=Position("1"))]
    logs = ReplicaLogs(connection=connection, engine=engine, read_out_seconds=1)
    logs.follow(REPLICA)
    await eventually(lambda: shipped(connection))

    logs.forget(REPLICA)

    await eventually(lambda: followers() == [])


async def test_a_monitor_that_is_told_to_stop_while_a_term_ends_stops(
    log: EventLog, connection: Connection, tmp_path: Path
) -> None:
    engine = StubbornEngine()
    lease = Lease(name="target.local", epoch=1, valid_until=0)
    metrics = Metrics(service="monitor")
    service = Service(
        name="monitor",
        settings=MonitorSettings(
            engine_dir=tmp_path,
            supervisor_socket=tmp_path / "socket",
            installation="test",
            blob_root=tmp_path,
        ),
        connection=connection,
        log=log,
        telemetry=Telemetry(),
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )
    term = asyncio.create_task(_term(service, engine, lease))
    await engine.observed.wait()
    lease.lost.set()
    await engine.ending.wait()
    for _ in range(20):
        await asyncio.sleep(0)

    term.cancel()
    engine.let.set()

    with pytest.raises(asyncio.CancelledError):
        await term
