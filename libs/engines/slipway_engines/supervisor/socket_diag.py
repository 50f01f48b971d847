"""Asks the kernel for TCP sockets (Linux, `sock_diag(7)`); says nothing of what they mean."""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ESTABLISHED: Final = 1
CLOSE_WAIT: Final = 8
LISTEN: Final = 10
FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_DUMP_REQUEST: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_INET_DIAG_INFO: Final = 2
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI48x")
_PORTS: Final = struct.Struct("!HH")
_INODE: Final = struct.Struct("=I")
_ATTRIBUTE: Final = struct.Struct("=HH")
_TIMES: Final = struct.Struct("=IxxxxI")
_BYTES: Final = struct.Struct("=QQ")
# Offsets in `struct inet_diag_msg` and `struct tcp_info`.
_STATE_AT: Final = 1
_PORTS_AT: Final = 4
_INODE_AT: Final = 68
_ATTRIBUTES_AT: Final = 72
_TIMES_AT: Final = 44
_BYTES_AT: Final = 120


@dataclass(frozen=True, slots=True)
class Exchange:
    """What went over a connection, from the view of the socket's own side."""

    sent_ms_ago: int
    received_ms_ago: int
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket; `exchange` where it was asked for and the kernel tells it."""

    state: int
    port: int
    peer_port: int
    inode: int
    exchange: Exchange | None = None


def sockets(*states: int, exchanges: bool = False) -> Iterator[Socket]:
    """Yield the sockets in these states, of IPv4 and IPv6.

    Raises:
        OSError: this kernel or container does not tell.
    """
    mask = sum(1 << state for state in states)
    for family in FAMILIES:
        yield from _dump(family, mask, 1 << (_INET_DIAG_INFO - 1) if exchanges else 0)


def _dump(family: int, states: int, extensions: int) -> Iterator[Socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag:
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, extensions, 0, states)
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
                yield _socket(data[at + _HEADER.size : at + length])
                at += (length + 3) & ~3


def _socket(message: bytes) -> Socket:
    port, peer_port = _PORTS.unpack_from(message, _PORTS_AT)
    (inode,) = _INODE.unpack_from(message, _INODE_AT)
    return Socket(message[_STATE_AT], port, peer_port, inode, _exchange(message))


def _exchange(message: bytes) -> Exchange | None:
    at = _ATTRIBUTES_AT
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        info = message[at + _ATTRIBUTE.size : at + length]
        if kind == _INET_DIAG_INFO and len(info) >= _BYTES_AT + _BYTES.size:
            sent_ago, received_ago = _TIMES.unpack_from(info, _TIMES_AT)
            return Exchange(sent_ago, received_ago, *_BYTES.unpack_from(info, _BYTES_AT))
        at += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return None
