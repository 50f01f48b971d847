"""Load on one URL: at a fixed rate whatever comes back (open loop), or as fast as answers come (closed loop).

A client of raw sockets, so that the measuring process is not what is measured. It retries nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

from httptools import HttpParserError, HttpResponseParser

LONGEST_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent, again and again."""

    host: str = "127.0.0.1"
    port: int
    path: str = "/"
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        headers = {"host": f"{self.host}:{self.port}", **self.headers}
        if self.body:
            headers["content-length"] = str(len(self.body))
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{key}: {value}" for key, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass(frozen=True)
class Answer:
    """An answer that arrived in full."""

    status: int
    body: bytes


Check = Callable[[Answer], str | None]
"""Returns the label of a right answer, None for a wrong one."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request of an open loop.

    Attributes:
        due: when it was to be sent, as `time.perf_counter`.
        seconds: from then to the end of the answer or of the failure.
        label: of a right answer.
        failure: what went wrong; None for a right answer.
    """

    due: float
    seconds: float
    label: str | None = None
    failure: str | None = None


class BrokenConnectionError(Exception):
    """The connection ended before the answer did."""


def any_success(answer: Answer) -> str | None:
    """Take every 2xx for right."""
    return "ok" if 200 <= answer.status < 300 else None  # noqa: PLR2004


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of the values does not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


async def open_loop(
    request: Request | Callable[[], Request], *, rate: float, stop: asyncio.Event, check: Check = any_success
) -> list[Sample]:
    """Send `rate` requests per second until told to stop; return all samples, by their due time.

    What is sent may be chosen anew for each. A late request counts from when it was due. Failed are: no 2xx
    (or a wrong answer), a broken or refused connection, more than five seconds.
    """
    pools: dict[int, _Pool] = {}
    started = time.perf_counter()
    tasks: list[asyncio.Task[Sample]] = []
    while not stop.is_set():
        due = started + len(tasks) / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        chosen = request if isinstance(request, Request) else request()
        pool = pools.setdefault(chosen.port, _Pool(chosen))
        tasks.append(asyncio.create_task(_sample(pool, due, check)))
    samples = await asyncio.gather(*tasks)
    for pool in pools.values():
        pool.close()
    return samples


async def closed_loop(
    *requests: Request, connections: int, seconds: float, check: Check = any_success
) -> list[float]:
    """Keep so many connections to one server busy for a time; return the seconds that each answer took.

    Of several requests each is sent in its turn.

    Raises:
        AssertionError: an answer was wrong.
        BrokenConnectionError: a connection broke.
    """
    until = time.perf_counter() + seconds
    pool = _Pool(requests[0])
    turns = cycle([request.encode() for request in requests])

    async def keep_busy() -> list[float]:
        taken = []
        while (began := time.perf_counter()) < until:
            answer = await pool.ask(next(turns))
            assert check(answer) is not None, answer
            taken.append(time.perf_counter() - began)
        return taken

    each = await asyncio.gather(*(keep_busy() for _ in range(connections)))
    pool.close()
    return [one for taken in each for one in taken]


async def _sample(pool: "_Pool", due: float, check: Check) -> Sample:
    label = failure = None
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            answer = await pool.ask()
        label = check(answer)
        if label is None:
            failure = f"{answer.status} {answer.body[:200]!r}"
    except TimeoutError:
        failure = f"over {LONGEST_SECONDS:g} s"
    except (OSError, BrokenConnectionError) as error:
        failure = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - due
    if failure is None and seconds > LONGEST_SECONDS:
        label, failure = None, f"over {LONGEST_SECONDS:g} s"
    return Sample(due=due, seconds=seconds, label=label, failure=failure)


class _Pool:
    """Kept connections: an idle one is used again, else one more is opened."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._bytes = request.encode()
        self._idle: deque[_Connection] = deque()

    async def ask(self, request: bytes | None = None) -> Answer:
        connection = self._take() or await self._open()
        try:
            answer = await connection.ask(request or self._bytes)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _open(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._request.host, self._request.port)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time; the method names are those that asyncio and httptools call."""

    def __init__(self) -> None:
        self.usable = True
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        if self._transport is None or not self.usable:
            raise BrokenConnectionError("closed before the request was sent")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, not their class.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(str(exc or "closed by the other side"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._break(f"no HTTP: {error}")
            self.close()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), b"".join(self._body))
        self.usable = self._parser.should_keep_alive()
        self._body = []
        # A parser takes one message only where the connection is to be closed after it.
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _break(self, why: str) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokenConnectionError(why))
