"""The feed on a real log: what it holds, what it reads again, and what it tells of that is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from log_messages import make_outgoing
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Batch, Entry, Feed, Interest
from slipway_contracts.topology import LOG

OURS = Interest(deployment="digits")


async def publish(log: EventLog, count: int) -> int:
    """Publish in turns for `digits` and another deployment; the sequence of the last."""
    batch = [make_outgoing(deployment=("digits", "other")[number % 2]) for number in range(count)]
    return (await log.publish_batch(batch)).sequence


async def purge(connection: Connection, *, before: int) -> None:
    await connection.nc.jetstream().purge_stream(LOG.name, seq=before)


async def read(batches: AsyncIterator[Batch], *, up_to: int) -> list[Batch]:
    found: list[Batch] = []
    async with asyncio.timeout(10):
        async for batch in batches:
            found.append(batch)
            if batch.position >= up_to:
                break
    return found


def sequences(found: list[Batch]) -> list[int]:
    return [entry.sequence for batch in found for entry in batch.entries]


def gaps(found: list[Batch]) -> list[tuple[int, int]]:
    return [(batch.gap.first, batch.gap.last) for batch in found if batch.gap]


async def started(log: EventLog, *, events: int = 1) -> tuple[Feed, asyncio.Task[None]]:
    feed = Feed(log=log, events=events, size=1 << 20)
    running = asyncio.create_task(feed.run())
    await feed.started.wait()
    return feed, running


async def test_a_reader_under_way_is_told_what_was_purged_before_it_came_there(
    log: EventLog, connection: Connection
) -> None:
    end = await publish(log, 900)
    feed, running = await started(log)

    async with aclosing(feed.batches(OURS, after=0, within=5)) as batches:
        first = await anext(batches)
        await purge(connection, before=801)
        found = [first, *await read(batches, up_to=end)]
    running.cancel()

    assert 0 < first.position < 800
    assert gaps(found) == [(first.position + 1, 800)]
    assert sequences(found) == [*range(1, first.position + 1, 2), *range(801, end, 2)]


async def test_a_log_that_was_purged_as_a_whole_is_one_gap_and_goes_on(
    log: EventLog, connection: Connection
) -> None:
    end = await publish(log, 10)
    feed, running = await started(log)
    await purge(connection, before=end + 1)

    async with aclosing(feed.batches(Interest(), after=3, within=5)) as batches:
        found = await read(batches, up_to=end)
        last = await publish(log, 1)
        found += await read(batches, up_to=last)
    running.cancel()

    assert gaps(found) == [(4, end)]
    assert sequences(found) == [last]


@pytest.mark.parametrize(("purged", "missing", "told"), [(1, [], 1), (7, [(1, 6)], 7), (5, [(1, 4)], 5)])
async def test_what_the_feed_itself_did_not_get_is_read_from_the_log_or_told(
    log: EventLog, connection: Connection, purged: int, missing: list[tuple[int, int]], told: int
) -> None:
    await publish(log, 10)
    feed = Feed(log=log, events=100, size=1 << 20)
    stored = [each async for each in log.read("slipway.>", after=0)]
    await purge(connection, before=purged)

    for each in (*stored[:3], *stored[6:]):
        feed._append(Entry(each))
    async with aclosing(feed.batches(Interest(), after=0, within=5)) as batches:
        found = await read(batches, up_to=10)

    assert gaps(found) == missing
    assert sequences(found) == list(range(told, 11))


async def test_readers_of_one_interest_at_one_position_share_what_is_written_for_them(log: EventLog) -> None:
    feed, running = await started(log, events=100)
    end = await publish(log, 10)
    made: list[int] = []

    def form(entries: object) -> bytes:
        made.append(id(entries))
        return b"x"

    async def one(interest: Interest) -> bytes:
        async with aclosing(feed.batches(interest, after=0, within=5)) as batches:
            return b"".join([batch.written(form) for batch in await read(batches, up_to=end)])

    await read(feed.batches(Interest(), after=0, within=5), up_to=end)
    alike = await asyncio.gather(*(one(Interest(deployment="digits")) for _ in range(20)))
    running.cancel()

    assert len(set(alike)) == 1
    assert len(made) == alike[0].count(b"x")


async def test_silence_is_broken_in_time_and_a_closed_feed_ends_its_readers(log: EventLog) -> None:
    feed, running = await started(log)
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()

    async with asyncio.timeout(10), aclosing(feed.batches(OURS, after=0, within=0.2)) as batches:
        quiet = await anext(batches)
        waited = loop.time() - began
        feed.close()
        left = [batch async for batch in batches]
    running.cancel()

    assert (quiet.position, quiet.entries, left) == (0, (), [])
    assert waited >= 0.1
