"""Says on which TCP ports a process and its descendants listen, as the kernel tells it."""

import math
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from slipway_engines.supervisor.launcher.process_tree import descendants

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_DUMP_REQUEST: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_LISTEN: Final = 10
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI48x")
_PORT: Final = struct.Struct("!H")
_INODE: Final = struct.Struct("=I")
# Offsets in `struct inet_diag_msg`, sock_diag(7).
_PORT_AT: Final = _HEADER.size + 4
_INODE_AT: Final = _HEADER.size + 68
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
        return dict(_ask(socket.AF_INET)) | dict(_ask(socket.AF_INET6))
    except OSError:
        # Not every kernel or container answers; the table says the same, for more work.
        return dict(_table("tcp")) | dict(_table("tcp6"))


def _ask(family: int) -> Iterator[tuple[int, int]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag:
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << _LISTEN)
        size = _HEADER.size + len(request)
        diag.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _DUMP_REQUEST, 1, 0) + request)
        while True:
            data = diag.recv(1 << 16)
            at = 0
            while at < len(data):
                length, kind, *_ = _HEADER.unpack_from(data, at)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    raise OSError("the kernel does not tell who listens")
                (port,) = _PORT.unpack_from(data, at + _PORT_AT)
                (inode,) = _INODE.unpack_from(data, at + _INODE_AT)
                yield inode, port
                at += (length + 3) & ~3


def _table(name: str) -> Iterator[tuple[int, int]]:
    try:
        lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    except FileNotFoundError:
        return
    for line in lines:
        fields = line.split()
        if int(fields[3], 16) == _LISTEN:
            yield int(fields[9]), int(fields[1].rpartition(":")[2], 16)
