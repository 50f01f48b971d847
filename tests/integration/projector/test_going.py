"""The list of what a truncation takes: read in pages, and compared with what the log still has."""

from collections.abc import AsyncIterator, Sequence

import pytest
from log_keeper import Keeper
from log_messages import make_outgoing
from projector_stand import Stand
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_contracts.topology import LOG
from slipway_projector.upkeep.going import Going, remains
from slipway_projector.upkeep.truncating import remove
from slipway_store.connections import connect

REMOVED = {2, 3, 6, 9}


async def written(log: EventLog, connection: Connection, count: int = 9) -> None:
    """A log of which some messages are gone."""
    for release in range(count):
        await log.publish(make_outgoing(release=release + 1))
    for sequence in REMOVED:
        await call(connection, f"STREAM.MSG.DELETE.{LOG.name}", {"seq": sequence}, within=5)


@pytest.mark.parametrize("before", [1, 2, 5, 9, 10])
async def test_what_is_gone_before_a_sequence_is_known(
    log: EventLog, connection: Connection, before: int
) -> None:
    await written(log, connection)

    async with remains(log, before=before) as there:
        found = [sequence for sequence in range(1, 12) if await there.holds(sequence)]

    assert found == [each for each in range(1, 12) if each >= before or each not in REMOVED]


async def test_pages_bring_everything_in_order_and_no_more_at_once(stand: Stand) -> None:
    connection = await connect(stand.url)
    going = await Going.empty(connection)
    everything = range(3, 75_000, 3)
    for start in range(0, len(everything), 7_000):
        await going.add(everything[start : start + 7_000])

    pages = [page async for page in going.pages()]

    await connection.close()
    assert going.count == len(everything)
    assert [each for page in pages for each in page] == list(everything)
    assert max(map(len, pages)) == 10_000


async def test_all_pages_are_removed(keeper: Keeper) -> None:
    await written(keeper.log, keeper.connection)

    async def pages() -> AsyncIterator[Sequence[int]]:
        for page in ([1, 2], [3, 4, 5], [7]):
            yield page

    await remove(keeper.connection, keeper.log, pages())
    left: Sequence[int] = [stored.sequence async for stored in keeper.log.read(">", after=0)]

    assert left == [8]
