"""Lets the event loop end work that runs in a thread, at the thread's next check."""

import threading


class StoppedError(Exception):
    """The work was told to end before it was done."""


class StopFlag:
    """Set by the event loop, checked by a worker thread between pieces of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the thread to end; repeating changes nothing."""
        self._event.set()

    def check(self) -> None:
        """Go on, or end here.

        Raises:
            StoppedError: the flag is set.
        """
        if self._event.is_set():
            raise StoppedError
