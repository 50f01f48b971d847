"""Grouping lines that are there already; whoever stops reading leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from eventually import eventually
from slipway_chassis.log_lines import batches


class Source:
    """Numbers from 0 on, as fast as they are taken; knows whether it was closed."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count
        self.given = 0
        self.closed = False

    async def numbers(self) -> AsyncGenerator[int]:
        try:
            while self.count is None or self.given < self.count:
                self.given += 1
                yield self.given - 1
        finally:
            self.closed = True


async def test_items_come_in_order_and_in_bounded_groups() -> None:
    source = Source(1000)

    async with aclosing(batches(source.numbers(), most=7)) as groups:
        found = [group async for group in groups]

    assert [number for group in found for number in group] == list(range(1000))
    assert max(map(len, found)) <= 7


async def test_an_item_does_not_wait_for_the_next_one() -> None:
    never = asyncio.Event()

    async def one() -> AsyncGenerator[str]:
        yield "first"
        await never.wait()

    async with aclosing(batches(one())) as groups:
        assert await asyncio.wait_for(anext(groups), timeout=5) == ["first"]


async def test_no_more_is_taken_than_fits_into_a_group_while_nobody_reads() -> None:
    source = Source()

    async with aclosing(batches(source.numbers(), most=5)) as groups:
        await anext(groups)
        for _ in range(100):
            await asyncio.sleep(0)

        # One group was given, one waits, and the next item is in hand.
        assert source.given == 5 + 5 + 1


async def test_a_reader_that_leaves_while_items_wait_leaves_no_task_and_no_open_source() -> None:
    source = Source()
    before = asyncio.all_tasks()

    async with aclosing(batches(source.numbers(), most=5)) as groups:
        await anext(groups)
        await eventually(lambda: source.given > 5)

    assert source.closed
    assert asyncio.all_tasks() == before


async def test_what_goes_wrong_comes_behind_the_items_before_it() -> None:
    async def failing() -> AsyncGenerator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    async with aclosing(batches(failing())) as groups:
        assert await anext(groups) == [1, 2]
        with pytest.raises(OSError, match="gone"):
            await anext(groups)
