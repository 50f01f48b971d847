"""A log, a database, and projectors that a test starts and stops between them."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
from eventually import eventually
from memory_projection import compared, sorted_rows
from prometheus_client import CollectorRegistry
from slipway_chassis.event_log import EventLog
from slipway_chassis.telemetry import Telemetry
from slipway_projector.database import Database
from slipway_projector.meters import Meters
from slipway_projector.projector import Projector
from slipway_store.connections import connect
from slipway_store.rows import Row

SOON = timedelta(milliseconds=50)


@dataclass
class Running:
    """A projector at work inside this process."""

    projector: Projector
    task: asyncio.Task[None]
    registry: CollectorRegistry

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"slipway_projector_{name}", labels) or 0.0

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@dataclass
class Stand:
    """A log, a database, and the projectors between them."""

    log: EventLog
    url: str
    running: list[Running] = field(default_factory=list)

    async def start(self, *, batch_messages: int = 500, log: EventLog | None = None) -> Running:
        registry = CollectorRegistry()
        projector = Projector(
            log=log or self.log,
            database=Database(url=self.url),
            meters=Meters(registry),
            telemetry=Telemetry(),
            batch_messages=batch_messages,
            standby_poll=SOON,
            verify_period=SOON,
        )
        self.running.append(Running(projector, asyncio.create_task(projector.run()), registry))
        return self.running[-1]

    async def stop(self) -> None:
        for running in self.running:
            await running.stop()

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await connect(self.url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def position(self) -> int:
        found = await self.fetch("select sequence from checkpoint")
        return int(found[0][0]) if found else 0

    async def reached(self, sequence: int) -> None:
        """Wait until the tables hold this sequence."""

        async def is_there() -> bool:
            return await self.position() >= sequence

        await eventually(is_there, timeout=30)

    async def tables(self) -> dict[str, list[Row]]:
        """Return all rows by table, in the order of their keys; history and checkpoint aside."""
        connection = await connect(self.url)
        try:
            return {
                record.table: sorted_rows(
                    record, [record.read(row) for row in await connection.fetch(record.select)]
                )
                for record in compared()
            }
        finally:
            await connection.close()

    async def state(self, deployment: str = "digits") -> Any:
        found = await self.fetch("select state from deployment where id = $1", deployment)
        return found[0][0] if found else None
