"""Says on which TCP ports a process and its descendants listen, as the kernel tells it."""

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from slipway_engines.supervisor import socket_diag
from slipway_engines.supervisor.launcher.process_tree import descendants

_LISTEN_IN_TABLE: Final = "0A"
_SOCKET: Final = "socket:["
_GOOD_FOR_SECONDS: Final = 0.5


class ListeningPorts:
    """The ports on which anything listens, looked up at most twice a second for all who ask."""

    def __init__(self) -> None:
        self._ports: frozenset[int] = frozenset()
        self._seen_at = -math.inf

    def __contains__(self, port: int) -> bool:
        if time.monotonic() - self._seen_at > _GOOD_FOR_SECONDS:
            self._ports = frozenset(_listening().values())
            self._seen_at = time.monotonic()
        return port in self._ports


def listening_ports(pid: int) -> frozenset[int]:
    """Return the ports on which a process or one of its descendants listens, as far as that may be seen."""
    try:
        own = {inode for each in (pid, *descendants(pid)) for inode in _sockets(each)}
    except PermissionError:
        return frozenset()
    return frozenset(port for inode, port in _listening().items() if inode in own)


def holds_port(port: int, *, pid: int, ancestor: int) -> bool | None:
    """Say whether a process, or any descendant of `ancestor`, listens on a port; None when nobody does.

    A process that hides its descriptors is trusted.
    """
    inodes = {inode for inode, each in _listening().items() if each == port}
    if not inodes:
        return None
    try:
        return any(not inodes.isdisjoint(_sockets(each)) for each in _family(pid, ancestor))
    except PermissionError:
        return True


def _family(pid: int, ancestor: int) -> Iterator[int]:
    """Yield the likeliest process first: to find its relatives all of /proc must be read."""
    yield pid
    yield from descendants(ancestor)


def _sockets(pid: int) -> Iterator[int]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - called for each process
    except (FileNotFoundError, ProcessLookupError):
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115 - called for each descriptor
        except OSError:
            continue
        if target.startswith(_SOCKET):
            yield int(target[len(_SOCKET) : -1])


def _listening() -> dict[int, int]:
    """Return the port of each listening socket by its inode."""
    try:
        return {each.inode: each.port for each in socket_diag.sockets(socket_diag.LISTEN)}
    except OSError:
        # Not every kernel or container answers; the table says the same, for more work.
        return dict(_table("tcp")) | dict(_table("tcp6"))


def _table(name: str) -> Iterator[tuple[int, int]]:
    try:
        lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    except FileNotFoundError:
        return
    for line in lines:
        fields = line.split()
        if fields[3] == _LISTEN_IN_TABLE:
            yield int(fields[9]), int(fields[1].rpartition(":")[2], 16)
