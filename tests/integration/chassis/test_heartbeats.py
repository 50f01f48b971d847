"""Heartbeat records: written, listed, watched, removed, expired."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from eventually import eventually
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import CaughtUp
from slipway_chassis.heartbeats import Heartbeat, Heartbeats


async def test_listing_gives_the_last_record_of_each_key(connection: Connection) -> None:
    gateways = Heartbeats(connection=connection, bucket="gateways")
    await gateways.beat("one", b"1")
    await gateways.beat("two", b"1")
    await gateways.beat("one", b"2")

    records = await gateways.list()

    assert [(record.key, record.data) for record in records] == [("two", b"1"), ("one", b"2")]
    assert records[0].age(datetime.now(UTC)) < timedelta(seconds=5)


async def test_removed_record_is_listed_no_more(connection: Connection) -> None:
    gateways = Heartbeats(connection=connection, bucket="gateways")
    await gateways.beat("one", b"1")

    await gateways.remove("one")

    assert await gateways.list() == []


async def test_record_with_a_time_to_live_disappears(connection: Connection) -> None:
    leases = Heartbeats(connection=connection, bucket="leases")
    await leases.beat("one", b"1", ttl=timedelta(seconds=1))
    assert len(await leases.list()) == 1

    async def gone() -> bool:
        return await leases.list() == []

    await eventually(gone)


async def test_watcher_sees_what_is_there_then_every_change_through_a_restart(
    connection: Connection, fresh_nats: NatsServer
) -> None:
    gateways = Heartbeats(connection=connection, bucket="gateways")
    await gateways.beat("one", b"1")
    seen: list[Heartbeat | CaughtUp] = []

    async def watch() -> None:
        async with aclosing(gateways.watch()) as items:
            async for item in items:
                seen.append(item)  # noqa: PERF401 - the test looks at the list while it grows

    watching = asyncio.create_task(watch())
    await eventually(lambda: len(seen) == 2)
    await asyncio.to_thread(fresh_nats.restart)
    await gateways.beat("two", b"1")
    await gateways.remove("one")
    await eventually(lambda: len(seen) == 4)
    watching.cancel()

    states = [(item.key, item.data) for item in seen if isinstance(item, Heartbeat)]
    assert states == [("one", b"1"), ("two", b"1"), ("one", None)]
    assert isinstance(seen[1], CaughtUp)
