import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from eventually import eventually
from slipway_projector.arrivals import reading


class Source:
    """An iterator that a test feeds, and how much was taken from it."""

    def __init__(self, *items: int | tuple[int, ...]) -> None:
        self.queue: asyncio.Queue[int | tuple[int, ...] | Exception] = asyncio.Queue()
        self.taken = 0
        self.closed = False
        for item in items:
            self.queue.put_nowait(item)

    async def __call__(self) -> AsyncGenerator[Sequence[int]]:
        try:
            while True:
                item = await self.queue.get()
                if isinstance(item, Exception):
                    raise item
                self.taken += 1
                yield item if isinstance(item, tuple) else (item,)
        finally:
            self.closed = True


async def test_what_is_there_comes_in_one_batch_and_in_order() -> None:
    source = Source(1, 2, 3)

    async with reading(source(), most=10) as arrivals:
        await eventually(lambda: source.taken == 3)
        assert await arrivals.batch(10) == [1, 2, 3]


async def test_a_single_item_is_not_kept_waiting_for_others() -> None:
    source = Source()

    async with reading(source(), most=10) as arrivals:
        waiting = asyncio.create_task(arrivals.batch(10))
        await eventually(source.queue.empty)
        source.queue.put_nowait(1)

        assert await waiting == [1]


async def test_a_patient_reader_gets_what_comes_shortly_after() -> None:
    source = Source(1)

    async with reading(source(), most=10) as arrivals:
        waiting = asyncio.create_task(arrivals.batch(3, patience=5))
        await eventually(lambda: source.taken == 1)
        source.queue.put_nowait(2)
        source.queue.put_nowait(3)

        assert await waiting == [1, 2, 3]


async def test_a_patient_reader_gives_up_in_the_end() -> None:
    async with reading(Source(1)(), most=10) as arrivals:
        assert await arrivals.batch(3, patience=0.01) == [1]


async def test_a_batch_is_bounded_and_the_rest_comes_next() -> None:
    source = Source(*range(5))

    async with reading(source(), most=10) as arrivals:
        await eventually(lambda: source.taken == 5)
        assert [await arrivals.batch(2) for _ in range(3)] == [[0, 1], [2, 3], [4]]


async def test_what_came_together_is_neither_parted_nor_held_back_for_its_size() -> None:
    source = Source(1, (2, 3, 4, 5), 6, (7, 8))

    async with reading(source(), most=10) as arrivals:
        await eventually(lambda: source.taken == 4)
        assert [await arrivals.batch(2) for _ in range(4)] == [[1], [2, 3, 4, 5], [6], [7, 8]]


async def test_no_more_is_read_ahead_than_allowed() -> None:
    source = Source(*range(10))

    async with reading(source(), most=3) as arrivals:
        await eventually(lambda: source.taken == 3)
        assert source.queue.qsize() == 7
        items = await arrivals.batch(2)
        await eventually(lambda: source.taken == 5)
        while len(items) < 10:
            items += await arrivals.batch(3)

    assert items == [*range(10)]


async def test_an_error_of_the_source_comes_after_all_that_came_before_it() -> None:
    source = Source(1, 2)
    source.queue.put_nowait(LookupError("the log is gone"))

    async with reading(source(), most=10) as arrivals:
        await eventually(lambda: source.closed)
        assert await arrivals.batch(10) == [1, 2]
        with pytest.raises(LookupError, match="the log is gone"):
            await arrivals.batch(10)


async def test_a_source_that_fails_while_somebody_waits_is_told_at_once() -> None:
    source = Source()

    async with reading(source(), most=10) as arrivals:
        waiting = asyncio.create_task(arrivals.batch(10))
        source.queue.put_nowait(LookupError("gone"))

        with pytest.raises(LookupError, match="gone"):
            await waiting


async def test_a_batch_given_up_loses_nothing() -> None:
    source = Source()

    async with reading(source(), most=10) as arrivals:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(arrivals.batch(10), 0.01)
        source.queue.put_nowait(1)

        assert await arrivals.batch(10) == [1]


async def test_leaving_closes_the_source() -> None:
    source = Source(1)

    async with reading(source(), most=10) as arrivals:
        await arrivals.batch(1)

    assert source.closed


async def test_a_source_that_has_everything_at_once_lets_others_have_their_turn() -> None:
    async def everything() -> AsyncGenerator[Sequence[int]]:
        for item in range(1000):
            yield (item,)

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    async with reading(everything(), most=2000) as arrivals:
        assert await arrivals.batch(1000, patience=5) == [*range(1000)]
    counting.cancel()

    assert turns > 20
