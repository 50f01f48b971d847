"""How long a reader has been told nothing: one timer for many waits, which are far more frequent."""

import asyncio
from typing import Self


class Silence:
    """Ends waits that last too long; use it as a context.

    Saying something costs no look at a clock: the timer rings twice in the longest time, and what was not
    said between two rings is missed.

    Args:
        longest: seconds; it is too long after half of them at the earliest.
    """

    def __init__(self, longest: float) -> None:
        self.too_long = False
        self._loop = asyncio.get_running_loop()
        self._half = longest / 2
        self._was_broken = True
        self._waiter: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(self._half, self._ring)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the timer."""
        self._timer.cancel()

    def broken(self) -> None:
        """Something was said."""
        self._was_broken = True
        self.too_long = False

    def ends(self, waiter: asyncio.Future[None]) -> None:
        """End this wait, the only one now, when something should be said and it is not over yet."""
        self._waiter = waiter

    def _ring(self) -> None:
        self.too_long = not self._was_broken
        self._was_broken = False
        if self.too_long and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._timer = self._loop.call_later(self._half, self._ring)
