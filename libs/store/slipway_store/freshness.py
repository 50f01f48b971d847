"""Waiting until the projection has reached a position: one shared poll, and only while somebody waits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

_POLL: Final = timedelta(milliseconds=10)


class Freshness:
    """Waits for positions of the projection.

    Args:
        position: reads the position now.
        poll: time between two reads.
    """

    def __init__(self, *, position: Callable[[], Awaitable[int]], poll: timedelta = _POLL) -> None:
        self._position = position
        self._poll = poll
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._polling: asyncio.Task[None] | None = None

    async def wait_for(self, sequence: int, limit: timedelta) -> bool:
        """Return whether the projection held `sequence` within `limit`.

        Whatever `position` raises meanwhile is raised to everybody who waits: DatabaseUnavailableError, where
        Postgres went away.
        """
        reached = asyncio.get_running_loop().create_future()
        self._waiting[reached] = sequence
        if self._polling is None:
            self._polling = asyncio.create_task(self._serve())
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await reached
        except TimeoutError:
            return False
        finally:
            del self._waiting[reached]
        return True

    async def close(self) -> None:
        """End the polling; nobody may wait any more."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def _serve(self) -> None:
        try:
            while self._waiting:
                self._wake(await self._position())
                await asyncio.sleep(self._poll.total_seconds())
        except Exception as error:  # noqa: BLE001 - it is theirs who wait; here nobody would see it
            for future in self._waiting:
                if not future.done():
                    future.set_exception(error)
        finally:
            # No await lies between the last look at the waiters and here: nobody is left unserved.
            self._polling = None

    def _wake(self, position: int) -> None:
        for future, sequence in self._waiting.items():
            if sequence <= position and not future.done():
                future.set_result(None)
