"""Waits for output, signals and the end of supervisord at once, using no time while nothing happens."""

import os
import select
import signal
from collections.abc import Iterable

_STDIN = 0


class Wakeups:
    """Turns signals into readable input; `told_to_end` is set by SIGTERM, SIGINT and supervisord's end."""

    def __init__(self) -> None:
        self.told_to_end = False
        self.orphaned = False
        self._supervisor = os.getppid()
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)

    def wait(self, outputs: Iterable[int], timeout: float | None = None) -> list[int]:
        """Wait for these descriptors, a signal, or `timeout` seconds; return the readable descriptors."""
        poll = select.poll()
        for output in outputs:
            poll.register(output, select.POLLIN)
        poll.register(self._read, select.POLLIN)
        if not self.orphaned:
            # supervisord holds the other end of our input: it hangs up when supervisord is gone.
            poll.register(_STDIN, 0)
        events = dict(poll.poll(None if timeout is None else max(0, round(timeout * 1000))))
        if events.pop(_STDIN, 0) or os.getppid() != self._supervisor:
            self.told_to_end = self.orphaned = True
        if events.pop(self._read, 0):
            self._drain()
        return list(events)

    def _end(self, _number: int, _frame: object) -> None:
        self.told_to_end = True

    def _drain(self) -> None:
        try:
            while os.read(self._read, 512):
                pass
        except BlockingIOError:
            return


def _ignore(_number: int, _frame: object) -> None:
    """A handler must exist for the signal to wake `poll`."""
