"""Carries the lines of a build to the log stream, some at a time, without ever making the build wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from slipway_chassis.log_lines import LogLinePublisher
from slipway_contracts.envelope import now
from slipway_contracts.log_lines import LogLine, LogStream

_EVERY_SECONDS: Final = 0.1
_LAST_SECONDS: Final = 5.0
_MOST_WAITING: Final = 10_000
_MOST_AT_ONCE: Final = 200
_TAIL_LINES: Final = 20


class BuildLog:
    """Lines of one build. While the stream takes none, the oldest of many waiting lines are left out."""

    def __init__(self, publisher: LogLinePublisher) -> None:
        self._publisher = publisher
        self._waiting: deque[LogLine] = deque()
        self._left_out = 0
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._tail)

    def line(self, text: str) -> None:
        """Take a line; returns at once."""
        if len(self._waiting) == _MOST_WAITING:
            self._waiting.popleft()
            self._left_out += 1
        self._waiting.append(_line(text))
        self._tail.append(text)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Send lines while the body runs; at its end wait for the last ones, at most some seconds."""
        done = asyncio.Event()
        sender = asyncio.create_task(self._send_until(done))
        try:
            yield
            done.set()
            await asyncio.wait([sender], timeout=_LAST_SECONDS)
        finally:
            sender.cancel()

    async def _send_until(self, done: asyncio.Event) -> None:
        ended = False
        while not ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _EVERY_SECONDS)
            ended = done.is_set()
            while self._waiting:
                await self._publisher.publish(self._next_lines())

    def _next_lines(self) -> tuple[LogLine, ...]:
        left_out, self._left_out = self._left_out, 0
        count = min(len(self._waiting), _MOST_AT_ONCE)
        lines = tuple(self._waiting.popleft() for _ in range(count))
        return (_line(f"({left_out} lines are left out)"), *lines) if left_out else lines


def _line(text: str) -> LogLine:
    return LogLine(at=now(), stream=LogStream.BUILD, text=text)
