"""Two batches under way: one is folded while Postgres takes the one before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from slipway_projector.logged import Logged

_AT_ONCE: Final = 2


class Overlap:
    """Batches that are being written; use `overlapping`."""

    def __init__(
        self, group: asyncio.TaskGroup, write: Callable[[Sequence[Logged]], Awaitable[object]]
    ) -> None:
        self._group = group
        self._write = write
        self._under_way: set[asyncio.Task[None]] = set()

    async def room(self) -> None:
        """Wait until another batch may begin: what arrives meanwhile can be in it."""
        while len(self._under_way) >= _AT_ONCE:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def begin(self, batch: Sequence[Logged]) -> None:
        """Begin to write a batch, behind those that were begun before."""
        task = self._group.create_task(self._written(batch))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def ended(self) -> None:
        """Wait until everything is written."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _written(self, batch: Sequence[Logged]) -> None:
        await self._write(batch)


@asynccontextmanager
async def overlapping(write: Callable[[Sequence[Logged]], Awaitable[object]]) -> AsyncIterator[Overlap]:
    """Let the body begin batches while others are written; at its end, wait for all of them.

    The first error of a batch ends the body and is raised here.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield Overlap(group, write)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
