"""Batches that are written at once: folded ahead of the tables, stored in order."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
from log_script import Script
from log_walk import Walk
from memory_projection import as_logged, project
from projector_stand import Stand
from slipway_projector.database import Database
from slipway_projector.errors import CheckpointMovedError
from slipway_projector.ledger import Ledger
from slipway_projector.logged import Logged
from slipway_projector.overlapping import overlapping

NO_JSON = "{"


@asynccontextmanager
async def opened(stand: Stand) -> AsyncIterator[Ledger]:
    database = Database(url=stand.url)
    async with database.connection() as connection, database.connection() as reader:
        yield await Ledger.open(connection, reader=reader)


def parted(messages: Sequence[Logged], chance: random.Random) -> Iterator[Sequence[Logged]]:
    """Return them in batches of which some are written in one statement, others in many."""
    start = 0
    while start < len(messages):
        end = start + chance.choice((1, 2, 7, 40, 120))
        yield messages[start:end]
        start = end


@pytest.mark.parametrize("seed", range(5))
async def test_batches_that_overlap_make_the_tables_of_all_their_messages(stand: Stand, seed: int) -> None:
    walk = Walk(seed)
    walk.run(500)
    messages = as_logged(walk.messages)

    async with opened(stand) as ledger, overlapping(ledger.write) as writing:
        for batch in parted(messages, random.Random(seed)):  # noqa: S311
            await writing.room()
            writing.begin(batch)

    assert await stand.tables() == project(messages)
    assert await stand.position() == len(messages)


async def test_history_that_a_batch_erases_is_not_found_by_the_next(stand: Stand) -> None:
    script = Script()
    script.deployed()
    kept = len(script.messages)
    script.purged()
    purged = len(script.messages)
    script.deployed()
    messages = as_logged(script.messages)
    async with opened(stand) as ledger:
        await ledger.write(messages[:kept])

    async with opened(stand) as ledger:
        await asyncio.gather(ledger.write(messages[kept:purged]), ledger.write(messages[purged:]))

    assert await stand.tables() == project(messages)


async def test_an_id_that_comes_again_before_the_first_is_stored_counts_once(stand: Stand) -> None:
    script = Script()
    script.deployed()
    messages = as_logged(script.messages)
    again = [replace(logged, sequence=logged.sequence + len(messages)) for logged in messages]

    async with opened(stand) as ledger:
        _, repeated = await asyncio.gather(ledger.write(messages), ledger.write(again))

    assert repeated == []
    assert await stand.tables() == project(messages)
    assert await stand.position() == 2 * len(messages)


async def test_a_refused_message_takes_nothing_from_the_batch_that_was_folded_meanwhile(stand: Stand) -> None:
    script = Script()
    script.deployed()
    script.deployed(2)
    messages = as_logged(script.messages)
    refused = replace(messages[3], body=NO_JSON)
    expected = project([*messages[:3], *messages[4:]])

    async with opened(stand) as ledger:
        first, second, third = await asyncio.gather(
            ledger.write([*messages[:3], refused, *messages[4:6]]),
            ledger.write(messages[6:9]),
            ledger.write(messages[9:]),
        )

    assert [logged.sequence for logged in first if logged.problem is not None] == [4]
    assert [logged.sequence for logged in [*first, *second, *third]] == [each.sequence for each in messages]
    assert await stand.tables() == expected


async def test_a_batch_behind_a_refused_message_and_a_purge_is_folded_again(stand: Stand) -> None:
    script = Script()
    script.deployed()
    script.purged()
    purged = len(script.messages) - 1
    script.deployed()
    messages = as_logged(script.messages)
    refused = replace(messages[0], body=NO_JSON)

    async with opened(stand) as ledger:
        await asyncio.gather(ledger.write([refused, *messages[1:purged]]), ledger.write(messages[purged:]))

    assert await stand.tables() == project(messages[1:])


async def test_what_another_process_overtook_is_written_by_neither_of_two_batches(stand: Stand) -> None:
    script = Script()
    script.deployed()
    messages = as_logged(script.messages)

    async with opened(stand) as ledger, opened(stand) as other:
        await other.write(messages[:1])
        outcomes = await asyncio.gather(
            ledger.write(messages[:4]), ledger.write(messages[4:]), return_exceptions=True
        )

    assert [type(outcome) for outcome in outcomes] == [CheckpointMovedError, CheckpointMovedError]
    assert await stand.tables() == project(messages[:1])


async def test_the_first_error_ends_who_begins_batches() -> None:
    async def write(batch: Sequence[Logged]) -> None:
        raise asyncpg.PostgresConnectionError(f"gone with {len(batch)}")

    async def begin() -> None:
        async with overlapping(write) as writing:
            writing.begin(())
            await asyncio.Event().wait()

    with pytest.raises(asyncpg.PostgresConnectionError, match="gone with 0"):
        await begin()
