"""The projector's process against what nobody can avoid: reading the same events, and writing them.

(a) fetch, decode and acknowledge: a durable pull consumer of nats-py, the contracts' models. (b) COPY: rows
that are ready in memory, into the same table with its indexes, in transactions as large as the projector's.
The three alternate, each with an empty database or a new consumer, on one log of a fleet's events; the
figures are medians. The projector stands by until the clock starts: the start of its process is not measured,
its reading of the whole log is.

Freshness: the same projector, caught up, while 1,000 events/s are published one by one on a schedule; from
the moment at which an event is due to be published to that at which another connection sees its row.
Prints one JSON line.
"""

import argparse
import asyncio
import bisect
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
import fleet
import nats
import uvloop
from load import quantile
from memory_projection import as_logged
from nats.js.api import AckPolicy, ConsumerConfig
from servers import NatsServer, PostgresServer, clean_environment, die_with_parent
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import configure_logging
from slipway_chassis.provision import provision
from slipway_contracts.codec import parse
from slipway_contracts.envelope import Envelope
from slipway_contracts.topology import LOG
from slipway_projector.database import Database
from slipway_store.connections import connect
from slipway_store.migrate import upgrade
from slipway_store.records import LOGGED

T = TypeVar("T")
EVENTS: Final = 30_000
ROUNDS: Final = 3
BATCH: Final = 4_000
FETCH: Final = 500
DEPLOYMENTS: Final = 500
FRESH_RATE: Final = 1_000
FRESH_SECONDS: Final = 10
LONGEST_SECONDS: Final = 120.0
STANDBY_POLL: Final = "PT0.01S"


@dataclass
class Bench:
    """A filled log, and a Postgres to project it into."""

    server: NatsServer
    postgres: PostgresServer
    log: EventLog
    events: int
    fetched: list[float] = field(default_factory=list)
    copied: list[float] = field(default_factory=list)
    projected: list[float] = field(default_factory=list)

    async def database(self, name: str) -> str:
        """Make a database with the product's tables; return its URL."""
        admin = await connect(self.postgres.url())
        await admin.execute(f"create database {name}")
        await admin.close()
        await upgrade(self.postgres.url(name))
        return self.postgres.url(name)

    async def fetch(self, number: int) -> float:
        """Return events/s of reading alone."""
        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=4 * BATCH)
        client = await nats.connect(self.server.url)
        consumer = await client.jetstream().pull_subscribe(
            ">", durable=f"ceiling-{number}", stream=LOG.name, config=config
        )
        seen = 0
        began = time.perf_counter()
        while seen < self.events:
            for message in await consumer.fetch(min(FETCH, self.events - seen)):
                envelope = Envelope.from_headers(message.headers or {})
                parse(envelope.type, message.data)
                await message.ack()
                seen += 1
        rate = seen / (time.perf_counter() - began)
        await client.jetstream().delete_consumer(LOG.name, f"ceiling-{number}")
        await client.close()
        return rate

    async def copy(self, number: int, messages: Sequence[Outgoing]) -> float:
        """Return events/s of writing alone."""
        connection = await connect(await self.database(f"copied_{number}"))
        await connection.execute("set synchronous_commit to off")
        columns = [column.name for column in LOGGED.columns]
        rows = list(zip(*LOGGED.arrays(as_logged(messages)), strict=True))
        began = time.perf_counter()
        for batch in batches(rows, BATCH):
            await connection.copy_records_to_table(LOGGED.table, records=batch, columns=columns)
        rate = len(rows) / (time.perf_counter() - began)
        await connection.close()
        return rate

    async def project(self, number: int, *, fresh: Sequence[Outgoing] = ()) -> list[float]:
        """Note events/s of the projector; return how many seconds each of `fresh` took to be seen."""
        url = await self.database(f"projected_{number}")
        async with _connected(url) as connection, _connected(url) as writer:
            assert await Database(url=url).become_writer(writer)
            async with self._projector(url):
                await standing_by(connection)
                await writer.close()
                began = time.perf_counter()
                times, _ = await watch(connection, until=self.events, every=0.02)
                self.projected.append(self.events / (times[-1] - began))
                return await self._freshness(connection, fresh) if fresh else []

    @asynccontextmanager
    async def _projector(self, url: str) -> AsyncIterator[None]:
        variables = {
            "SLIPWAY_NATS_URL": self.server.url,
            "SLIPWAY_DATABASE_URL": url,
            "SLIPWAY_STANDBY_POLL": STANDBY_POLL,
            "SLIPWAY_LOG_LEVEL": "warning",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "slipway_projector.main",
            env=clean_environment(**variables),
            preexec_fn=die_with_parent(),
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()

    async def _freshness(self, connection: asyncpg.Connection, fresh: Sequence[Outgoing]) -> list[float]:
        watching = asyncio.create_task(watch(connection, until=self.events + len(fresh), every=0.002))
        published = await publish_at(self.log, fresh, rate=FRESH_RATE)
        times, positions = await watching
        return [times[bisect.bisect_left(positions, sequence)] - due for due, sequence in published]


async def standing_by(connection: asyncpg.Connection) -> None:
    """Wait until another connection has asked for the writer's lock in vain."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle' "
        "and query like '%pg_try_advisory_lock%' and query_start > backend_start + '0.3 s'"
    )
    deadline = time.perf_counter() + LONGEST_SECONDS
    while not await connection.fetchval(query):
        assert time.perf_counter() < deadline, "no projector stands by"
        await asyncio.sleep(0.05)


async def watch(connection: asyncpg.Connection, *, until: int, every: float) -> tuple[list[float], list[int]]:
    """Look at the tables' position until it is reached; return each look's end and what it saw.

    The position is committed together with the rows of everything up to it.
    """
    times: list[float] = []
    positions: list[int] = []
    deadline = time.perf_counter() + LONGEST_SECONDS
    statement = await connection.prepare("select sequence from checkpoint")
    while not positions or positions[-1] < until:
        positions.append(await statement.fetchval() or 0)
        times.append(time.perf_counter())
        assert times[-1] < deadline, f"the projector stands at {positions[-1]} of {until}"
        await asyncio.sleep(every)
    return times, positions


async def publish_at(log: EventLog, messages: Sequence[Outgoing], *, rate: float) -> list[tuple[float, int]]:
    """Publish on a schedule, waiting for no confirmation; return when each was due, and its sequence."""
    started = time.perf_counter()
    sent = []
    for number, message in enumerate(messages):
        due = started + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        sent.append((due, asyncio.create_task(log.publish(message))))
    return [(due, (await receipt).sequence) for due, receipt in sent]


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return them in the order given, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(log: EventLog, messages: Sequence[Outgoing]) -> None:
    """Write messages that are there before anything is measured."""
    for batch in batches(messages, FETCH):
        await log.publish_batch(batch)


async def run(server: NatsServer, postgres: PostgresServer, events: int) -> None:
    connection = await Connection.open(url=server.url, user=None, password=None, name="bench")
    await provision(connection)
    log = EventLog(connection=connection, publish_timeout=LONGEST_SECONDS)
    messages = fleet.messages(events + FRESH_RATE * FRESH_SECONDS, deployments=DEPLOYMENTS)
    await fill(log, messages[:events])
    bench = Bench(server, postgres, log, events)
    gc.freeze()
    for number in range(ROUNDS):
        bench.fetched.append(await bench.fetch(number))
        late = await bench.project(number, fresh=messages[events:] if number == ROUNDS - 1 else ())
        bench.copied.append(await bench.copy(number, messages[:events]))
    await connection.close()
    rate, fetch, copy = map(statistics.median, (bench.projected, bench.fetched, bench.copied))
    figures = {
        "bench": "projector",
        "events": events,
        "events_per_s": round(rate),
        "ceiling_fetch": round(fetch),
        "ceiling_copy": round(copy),
        "ratio": round(rate / min(fetch, copy), 2),
        "freshness_p50_ms": round(quantile(late, 0.5) * 1e3, 1),
        "freshness_p99_ms": round(quantile(late, 0.99) * 1e3, 1),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="how many lie in the log")
    options = parser.parse_args()
    configure_logging(service="bench", instance="projector", level="warning")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-projector-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = NatsServer(folder / "nats")
        postgres = PostgresServer(folder)
        postgres.create()
        server.start()
        postgres.start()
        try:
            uvloop.run(run(server, postgres, options.events))
        finally:
            postgres.stop()
            server.stop()


if __name__ == "__main__":
    main()
