import asyncio
from datetime import timedelta

import pytest
from eventually import eventually
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.freshness import Freshness

SHORT = timedelta(milliseconds=100)
LONG = timedelta(seconds=10)


class Position:
    """A position that a test moves, and how often it was asked for."""

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.asked = 0
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.now


async def test_a_position_already_reached_is_answered_at_once() -> None:
    position = Position(7)

    reached = await Freshness(position=position).wait_for(7, SHORT)

    assert reached
    assert position.asked == 1


async def test_everybody_is_woken_by_the_position_they_wait_for() -> None:
    position = Position(1)
    freshness = Freshness(position=position)
    waiting = [asyncio.create_task(freshness.wait_for(sequence, LONG)) for sequence in (2, 3, 9)]
    await eventually(lambda: position.asked > 1)

    position.now = 3
    await asyncio.gather(*waiting[:2])

    assert [task.done() for task in waiting] == [True, True, False]
    waiting[2].cancel()
    await freshness.close()


async def test_what_nobody_expected_is_raised_to_all_who_wait_and_the_next_begins_anew() -> None:
    position = Position(1)
    freshness = Freshness(position=position)
    waiting = [asyncio.create_task(freshness.wait_for(2, LONG)) for _ in range(2)]
    await eventually(lambda: position.asked > 1)

    position.error = LookupError("a column is gone")
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    position.error = None
    position.now = 2

    assert [type(outcome) for outcome in outcomes] == [LookupError, LookupError]
    assert await freshness.wait_for(2, LONG)


async def test_a_hundred_waiters_share_one_poll() -> None:
    position = Position(1)
    freshness = Freshness(position=position, poll=timedelta(milliseconds=10))

    outcomes = await asyncio.gather(*(freshness.wait_for(2, SHORT) for _ in range(100)))

    assert outcomes == [False] * 100
    assert 2 <= position.asked <= 12


async def test_nobody_is_asked_while_nobody_waits() -> None:
    position = Position(1)
    freshness = Freshness(position=position, poll=timedelta(milliseconds=1))
    await freshness.wait_for(1, LONG)

    await eventually(lambda: freshness._polling is None)

    asked = position.asked
    assert await freshness.wait_for(1, LONG)
    assert position.asked == asked + 1


async def test_a_database_that_goes_away_is_told_to_all_who_wait_and_later_ones_ask_again() -> None:
    position = Position(1)
    freshness = Freshness(position=position)
    waiting = [asyncio.create_task(freshness.wait_for(2, LONG)) for _ in range(3)]
    await eventually(lambda: position.asked > 0)

    position.error = DatabaseUnavailableError("gone")
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    position.error = None

    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailableError] * 3
    assert await freshness.wait_for(1, LONG)


async def test_closing_ends_the_poll() -> None:
    position = Position(1)
    freshness = Freshness(position=position)
    waiting = asyncio.create_task(freshness.wait_for(2, SHORT))
    await eventually(lambda: position.asked > 0)

    await freshness.close()

    assert freshness._polling is None
    assert not await waiting


@pytest.mark.parametrize("limit", [timedelta(0), timedelta(milliseconds=20)])
async def test_a_wait_ends_with_its_limit(limit: timedelta) -> None:
    assert not await Freshness(position=Position(1)).wait_for(2, limit)
