"""Tells of changed files in folders, through one inotify instance for all who watch (Linux, `inotify(7)`).

The instance exists only while somebody watches. Where the system has none to give, watchers are not told and
must look by themselves more often; they look now and then in any case.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

IN_MODIFY: Final = 0x2
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
_IN_Q_OVERFLOW: Final = 0x4000
_IN_IGNORED: Final = 0x8000
_IN_MASK_ADD: Final = 0x20000000
_EVENT: Final = struct.Struct("iIII")
_BUFFER: Final = 1 << 16

Changed = Callable[[str], None]
"""Called with the name of the entry that changed; with an empty name when anything may have changed."""


class FileWatch:
    """Subscriptions to folders, for one event loop."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._subscribers: dict[int, list[Changed]] = {}

    @contextmanager
    def watching(self, folder: str, mask: int, changed: Changed) -> Iterator[bool]:
        """Call `changed` on the event loop for each change; yields whether this works here."""
        number = self._subscribe(folder, mask, changed)
        try:
            yield number is not None
        finally:
            if number is not None:
                self._unsubscribe(number, changed)

    def _subscribe(self, folder: str, mask: int, changed: Changed) -> int | None:
        libc = ctypes.CDLL(None, use_errno=True)
        if self._descriptor is None:
            descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if descriptor < 0:
                return None
            self._descriptor = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._read, descriptor)
        # A folder that is watched already keeps its number: masks must add up, not replace one another.
        number: int = libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask | _IN_MASK_ADD)
        if number < 0:
            self._close_if_unused()
            return None
        self._subscribers.setdefault(number, []).append(changed)
        return number

    def _unsubscribe(self, number: int, changed: Changed) -> None:
        subscribers = self._subscribers.get(number, [])
        if changed in subscribers:
            subscribers.remove(changed)
        if (
            not subscribers
            and self._subscribers.pop(number, None) is not None
            and self._descriptor is not None
        ):
            ctypes.CDLL(None).inotify_rm_watch(self._descriptor, number)
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._subscribers or self._descriptor is None:
            return
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _BUFFER)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
            at += length
            self._tell(number, mask, name)

    def _tell(self, number: int, mask: int, name: str) -> None:
        if mask & _IN_Q_OVERFLOW:
            for each in [each for subscribers in self._subscribers.values() for each in subscribers]:
                each("")
            return
        for each in list(self._subscribers.get(number, ())):
            each(name)
        if mask & _IN_IGNORED:
            # The folder is gone, and the kernel has dropped the watch.
            self._subscribers.pop(number, None)
