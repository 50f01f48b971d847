"""One term of watching after another, and the facts that came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LeaseLostError
from slipway_chassis.event_log import EventLog
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.workload import ReplicaRef, WorkloadRef
from slipway_engines.engine import ReplicaObserved
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
    connection: Connection, engine: MemoryEngine, *, epoch: int, telemetry: Telemetry | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    logs = ReplicaLogs(connection=connection, engine=engine)
    watch = Watch(
        log=EventLog(connection=connection, telemetry=telemetry),
        engine=engine,
        logs=logs,
        target="local",
        kind="supervisor",
        epoch=epoch,
        telemetry=telemetry,
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
    found = [stored.readable async for stored in log.read("slipway.*.*.replica.>", after=0)]
    return [fact for fact in found if isinstance(fact, ReplicaFact)]


async def count(log: EventLog, number: int) -> list[ReplicaFact]:
    async def enough() -> list[ReplicaFact] | None:
        found = await facts(log)
        return found if len(found) >= number else None

    found = await eventually(enough)
    assert found is not None
    return found
