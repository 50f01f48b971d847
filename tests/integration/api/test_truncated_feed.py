"""The event stream of a truncated log: what is no longer whole is told as a gap, also to who is under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from log_messages import make_outgoing
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Batch, Feed, Interest
from slipway_chassis.jetstream_api import call
from slipway_contracts.installation_events import LogTruncated
from slipway_contracts.topology import LOG

END = 600
WITHIN = 5.0


async def truncate(connection: Connection, log: EventLog, *, before: int) -> None:
    """Truncate as the operator's command does; every tenth message is still needed, and stays."""
    message = LogTruncated(
        before=before, snapshot="sha256:" + 64 * "0", snapshot_sequence=before, messages=1, by="ada"
    )
    await log.publish(make_outgoing(message))
    for sequence in range(1, before):
        if sequence % 10:
            await call(connection, f"STREAM.MSG.DELETE.{LOG.name}", {"seq": sequence}, within=WITHIN)


@pytest.fixture
async def feed(log: EventLog) -> AsyncIterator[Feed]:
    """A feed that holds hardly anything: whoever begins earlier reads the log."""
    for start in range(0, END, 300):
        await log.publish_batch([make_outgoing(release=start + each + 1) for each in range(300)])
    feed = Feed(log=log, events=1, size=1 << 20)
    running = asyncio.create_task(feed.run())
    await feed.started.wait()
    yield feed
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def told(batches: list[Batch]) -> list[int]:
    return [entry.sequence for batch in batches for entry in batch.entries if entry.sequence <= END]


async def up_to(batches: AsyncIterator[Batch], position: int) -> list[Batch]:
    got: list[Batch] = []
    async with asyncio.timeout(10):
        async for batch in batches:
            got.append(batch)
            if batch.position >= position:
                return got
    raise AssertionError("the feed closed")


@pytest.mark.parametrize("after", [0, 17, 300, 398])
async def test_what_is_no_longer_whole_is_one_gap(
    feed: Feed, log: EventLog, connection: Connection, after: int
) -> None:
    await truncate(connection, log, before=400)

    async with aclosing(feed.batches(Interest(), after=after, within=5)) as batches:
        got = await up_to(batches, END)

    gaps = [batch.gap for batch in got if batch.gap]
    assert [(gap.first, gap.last) for gap in gaps] == [(after + 1, 399)]
    assert told(got) == list(range(400, END + 1))


async def test_who_begins_where_it_is_whole_is_told_of_no_gap(
    feed: Feed, log: EventLog, connection: Connection
) -> None:
    await truncate(connection, log, before=400)

    async with aclosing(feed.batches(Interest(), after=399, within=5)) as batches:
        got = await up_to(batches, END)

    assert not [batch for batch in got if batch.gap]
    assert told(got) == list(range(400, END + 1))


async def test_a_reader_that_a_truncation_overtakes_is_told(
    feed: Feed, log: EventLog, connection: Connection
) -> None:
    async with aclosing(feed.batches(Interest(), after=0, within=5)) as batches:
        first = await anext(batches)
        await truncate(connection, log, before=400)
        got = [first, *await up_to(batches, END)]

    (gap,) = [batch.gap for batch in got if batch.gap]
    assert 0 < first.position < 399
    assert (gap.first, gap.last) == (first.position + 1, 399)
    assert told(got) == [*range(1, first.position + 1), *range(400, END + 1)]
