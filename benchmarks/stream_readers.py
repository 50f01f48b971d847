"""Readers of an event stream on raw sockets, in a process of their own: not they are what is measured.

They count events and note how late each came; no HTTP, no JSON is parsed.
"""

import multiprocessing
import re
import select
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, Self

EVENT: Final = b"\nevent: build.step-started.v1\n"
STAMP: Final = b"stamp="
DIGITS: Final = 20
_STAMPED: Final = re.compile(STAMP + rb"(\d{%d})" % DIGITS)
_READ: Final = 1 << 18
_SPAWNED: Final = multiprocessing.get_context("spawn")


def stamp() -> bytes:
    """Return the present, of a clock that all processes of the machine share, in nanoseconds."""
    return STAMP + b"%0*d" % (DIGITS, time.monotonic_ns())


@dataclass
class Readers:
    """A process of subscribers; use it as a context.

    Args:
        request: what each of them sends.
        port: where to.
        count: how many there are.
    """

    request: bytes
    port: int
    count: int
    _process: multiprocessing.process.BaseProcess | None = None
    _pipe: "Connection[str, object] | None" = None

    def __enter__(self) -> Self:
        """Connect all, and wait until each is answered."""
        self._pipe, theirs = _SPAWNED.Pipe()
        self._process = _SPAWNED.Process(
            target=_read, args=(theirs, self.request, self.port, self.count), daemon=True
        )
        self._process.start()
        assert self._pipe.recv() == "connected"
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        assert self._process is not None
        self._process.kill()
        self._process.join()

    def received(self) -> tuple[int, int]:
        """Return how many events all have received together, and the slowest alone."""
        found = self._ask("received")
        assert isinstance(found, tuple)
        return found

    def late(self) -> list[float]:
        """Return the seconds from stamp to arrival of what came since the last call."""
        found = self._ask("late")
        assert isinstance(found, list)
        return found

    def _ask(self, what: str) -> object:
        assert self._pipe is not None
        self._pipe.send(what)
        return self._pipe.recv()


@dataclass
class _Reader:
    sock: socket.socket
    rest: bytes = b""
    events: int = 0
    answered: bool = False


@dataclass
class _All:
    readers: dict[int, _Reader] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    stamps: bool = False

    def take(self, reader: _Reader) -> None:
        data = reader.rest + reader.sock.recv(_READ)
        assert len(data) > len(reader.rest), "the stream ended"
        reader.answered = reader.answered or b": connected" in data
        reader.events += data.count(EVENT)
        if self.stamps:
            now = time.monotonic_ns()
            self.late += [(now - int(found[1])) / 1e9 for found in _STAMPED.finditer(data)]
        # What might be the begin of a mark is looked at again with what follows; a whole one is not.
        whole = max(data.rfind(EVENT) + len(EVENT), data.rfind(STAMP) + len(STAMP) + DIGITS, 0)
        reader.rest = data[max(whole, len(data) - len(EVENT) - DIGITS) :]


def _read(pipe: "Connection[object, str]", request: bytes, port: int, count: int) -> None:
    poll = select.epoll()
    everyone = _All()
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(request)
        everyone.readers[sock.fileno()] = _Reader(sock)
        poll.register(sock, select.EPOLLIN)
    poll.register(pipe, select.EPOLLIN)
    waiting = True
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == pipe.fileno():
                _answer(pipe, everyone)
            else:
                everyone.take(everyone.readers[descriptor])
        if waiting and all(reader.answered for reader in everyone.readers.values()):
            waiting = False
            pipe.send("connected")


def _answer(pipe: "Connection[object, str]", everyone: _All) -> None:
    if pipe.recv() == "received":
        events = [reader.events for reader in everyone.readers.values()]
        pipe.send((sum(events), min(events)))
    else:
        everyone.stamps = True
        late, everyone.late = everyone.late, []
        pipe.send(late)
