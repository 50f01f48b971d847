"""What arrived from the log, in batches: as much as there is, at once when there is little.

Reads ahead while a batch is being written, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_AT_ONCE: Final = 16


class Arrivals(Generic[T]):
    """What a background task has read from an endless iterator; see `reading`."""

    def __init__(self, items: AsyncIterator[Sequence[T]], *, most: int) -> None:
        self._most = most
        self._held: deque[Sequence[T]] = deque()
        self._count = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._reading = asyncio.create_task(self._read(items))
        self._reading.add_done_callback(lambda _: self._changed.set())

    async def batch(self, most: int, *, patience: float = 0.0) -> list[T]:
        """Wait for one item, and `patience` seconds for more; return up to `most` of those held, in order.

        What came together is returned together, also where that is more than `most`. What ends the iterator
        is raised here, after everything before it was returned.
        """
        while not self._held:
            if self._reading.done():
                self._reading.result()
                raise EOFError("the iterator ended")
            self._changed.clear()
            await self._changed.wait()
        if patience:
            await self._gather(most, patience)
        taken = [*self._held.popleft()]
        while self._held and len(taken) + len(self._held[0]) <= most:
            taken += self._held.popleft()
        self._count -= len(taken)
        self._room.set()
        return taken

    async def _gather(self, most: int, patience: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._count < most and not self._reading.done():
                    self._changed.clear()
                    await self._changed.wait()

    async def close(self) -> None:
        """Stop reading."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, items: AsyncIterator[Sequence[T]]) -> None:
        taken = 0
        async for together in items:
            self._held.append(together)
            self._count += len(together)
            self._changed.set()
            taken += 1
            if taken % _AT_ONCE == 0:
                # What is there already is taken without waiting for anything: others must get their turn.
                await asyncio.sleep(0)
            while self._count >= self._most:
                self._room.clear()
                await self._room.wait()


@asynccontextmanager
async def reading(items: AsyncGenerator[Sequence[T]], *, most: int) -> AsyncIterator[Arrivals[T]]:
    """Read ahead in the background while the body runs, until `most` items are held.

    Each element of `items` is what must be seen together.
    """
    async with aclosing(items):
        arrivals = Arrivals(items, most=most)
        try:
            yield arrivals
        finally:
            await arrivals.close()
