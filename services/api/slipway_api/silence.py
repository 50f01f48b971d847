"""How long a reader has been told nothing: one timer for many waits, which are far more frequent."""

import asyncio
from typing import Self


class Silence:
    """Ends waits that last too long; use it as a context.

    The timer is not set anew with each thing that is said: when it rings it looks when that was.

    Args:
        longest: seconds.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._waiter: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(longest, self._ring)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the timer."""
        self._timer.cancel()

    @property
    def too_long(self) -> bool:
        """Whether something should be said by now."""
        return self._loop.time() >= self._since + self._longest

    def broken(self) -> None:
        """Something was said."""
        self._since = self._loop.time()

    async def ended_by(self, waiter: asyncio.Future[None]) -> None:
        """Wait for this, but no longer than until something should be said."""
        self._waiter = waiter
        try:
            await waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        left = self._since + self._longest - self._loop.time()
        if left <= 0 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._timer = self._loop.call_later(left if left > 0 else self._longest, self._ring)
