"""Publishes log lines of builds and replicas to the log stream, a few at a time, and reads the last ones.

Bounded: where the stream does not take lines, the writer waits; it drops none by itself.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final, TypeVar

from pydantic import ValidationError
from slipway_contracts.log_lines import POSITION_HEADER, LogLine, LogLines

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.jetstream_api import publish

_MOST_LINES: Final = 200
_PUBLISH_SECONDS: Final = 5.0
_LARGEST_BODY: Final = 900_000
_LONGEST_LINE: Final = 64_000
_PAUSE_SECONDS: Final = 1.0
_READ_SECONDS: Final = 5.0
_FIRST_WINDOW: Final = 32
_GROWTH: Final = 16
T = TypeVar("T")


class LogLinePublisher:
    """Sends lines to one subject, in order.

    A line may come twice after a lost confirmation: lines have no identity.
    """

    def __init__(self, *, connection: Connection, subject: str) -> None:
        self._connection = connection
        self._subject = subject

    async def publish(self, lines: tuple[LogLine, ...], *, position: str | None = None) -> None:
        """Store these lines; waits for as long as the stream does not take them."""
        parts = tuple(_fitting(lines))
        for index, part in enumerate(parts):
            # The position is that behind the last line: before it is stored, the next reader starts earlier.
            await self._publish(part, position if index == len(parts) - 1 else None)

    async def _publish(self, lines: tuple[LogLine, ...], position: str | None) -> None:
        headers = {} if position is None else {POSITION_HEADER: position}
        body = LogLines(lines=lines).model_dump_json().encode()
        while True:
            try:
                await publish(self._connection, self._subject, body, headers=headers, within=_PUBLISH_SECONDS)
            except TransientError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


def _fitting(lines: tuple[LogLine, ...]) -> Iterator[tuple[LogLine, ...]]:
    """Divide lines into parts that a message can hold; a line that is too long by itself is cut."""
    part: list[LogLine] = []
    size = 0
    for line in lines:
        text = line.text[:_LONGEST_LINE]
        fitting = line if text == line.text else line.model_copy(update={"text": text})
        # JSON needs up to six bytes for a character, `\\u0000`.
        if part and size + 6 * len(text) > _LARGEST_BODY:
            yield tuple(part)
            part, size = [], 0
        part.append(fitting)
        size += 6 * len(text)
    if part:
        yield tuple(part)


async def last_lines(log_lines: EventLog, subject: str, *, most: int = 20) -> tuple[str, ...]:
    """Return the texts of the last lines on a subject of the log stream, in order, at most `most`.

    A message has what was there at one moment, so each may lie in one of its own. The stream has the lines of
    all deployments: how far back to begin is found by widening.

    Raises:
        LogUnavailableError: no answer in time.
    """
    last = await log_lines.last(subject)
    if last is None:
        return ()
    window, first = _FIRST_WINDOW, await log_lines.begin()
    while True:
        begin = last.sequence - window
        bodies = await _last_bodies(log_lines, subject, after=max(0, begin), most=most)
        texts = [line.text for body in bodies for line in readable_lines(body)]
        if begin < first or len(texts) >= most or len(bodies) == most:
            return tuple(texts[-most:])
        window *= _GROWTH


async def _last_bodies(log_lines: EventLog, subject: str, *, after: int, most: int) -> deque[bytes]:
    bodies: deque[bytes] = deque(maxlen=most)
    try:
        async with aclosing(log_lines.follow(subject, start=After(after))) as items:
            while True:
                async with asyncio.timeout(_READ_SECONDS):
                    item = await anext(items)
                if isinstance(item, CaughtUp):
                    return bodies
                bodies.append(item.data)
    except TimeoutError:
        raise LogUnavailableError(f"reading {subject} got no further") from None


def readable_lines(body: bytes) -> tuple[LogLine, ...]:
    """Return the lines of a message of the log stream; none where a newer release wrote it in other words."""
    try:
        return LogLines.model_validate_json(body).lines
    except ValidationError:
        return ()


async def batches(items: AsyncGenerator[T], *, most: int = _MOST_LINES) -> AsyncGenerator[list[T]]:
    """Group what is there already; an item never waits for the next one. Use `contextlib.aclosing`.

    At most a group waits; `items` is closed with this.
    """
    queue: asyncio.Queue[T | None] = asyncio.Queue()
    # The queue itself has no bound: the mark of the end must never wait for a reader that has left.
    room = asyncio.Semaphore(most)

    async def fill() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    await room.acquire()
                    queue.put_nowait(item)
        finally:
            queue.put_nowait(None)

    filling = asyncio.create_task(fill())
    try:
        ended = False
        while not ended:
            batch: list[T] = []
            item = await queue.get()
            while item is not None:
                batch.append(item)
                room.release()
                if queue.empty() or len(batch) >= most:
                    break
                item = queue.get_nowait()
            ended = item is None
            if batch:
                yield batch
        await filling
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
