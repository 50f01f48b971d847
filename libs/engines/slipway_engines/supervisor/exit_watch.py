"""Tells at once when a process ends, by a descriptor of it (Linux, `pidfd_open(2)`)."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slipway_engines.supervisor.launcher.process_tree import is_alive


@contextmanager
def on_exit(pid: int, ticks: int | None, ended: Callable[[], None]) -> Iterator[None]:
    """Call `ended` once when the process ends; soon after entering if it has already.

    Args:
        pid: its id.
        ticks: its start time, so that a later process of the same id is not taken for it; None: not known.
        ended: called on the event loop.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        loop.call_soon(ended)
        yield
        return

    def readable() -> None:
        loop.remove_reader(descriptor)
        ended()

    try:
        loop.add_reader(descriptor, readable)
        # Looked at after opening: the descriptor and the start time are then of one process.
        if ticks is not None and not is_alive(pid, ticks):
            loop.call_soon(ended)
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
