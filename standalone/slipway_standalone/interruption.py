"""Ctrl-C and the end of the session, as one wish to stop that cannot get lost."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Raises KeyboardInterrupt where the process is, and remembers it.

    Python swallows an exception that a signal raises inside a finaliser, so long work ends with `check`.
    """

    def __init__(self) -> None:
        self._asked = False

    def check(self) -> None:
        """Raise KeyboardInterrupt when one was asked for and got lost."""
        if self._asked:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """From now on, let nothing disturb what cleans up."""
        self._asked = False
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Take these signals over while the block runs."""
        before = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        raise KeyboardInterrupt
