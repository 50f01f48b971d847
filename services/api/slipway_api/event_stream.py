"""`GET /v1/events` as server-sent events: where a client begins, what it gets, and that it learns of a gap.

The blank message that carries only an `id:` moves the client's Last-Event-ID without an event; it goes out at
the beginning and with each heartbeat, so that a client resumes where it was even if nothing happened.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from slipway_chassis.event_log import EventLog

from slipway_api.feed import Feed, Interest


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Part of the log that was asked for and is not there."""

    first: int
    last: int
    reason: str

    @property
    def sse(self) -> bytes:
        """The gap as the event stream tells it; the client goes on behind it."""
        data = json.dumps({"from": self.first, "to": self.last, "reason": self.reason})
        return f"id: {self.last}\nevent: gap\ndata: {data}\n\n".encode()


class EventStreams:
    """Makes event streams.

    Args:
        feed: what happens now.
        log: what happened before.
        heartbeat: longest silence.
    """

    def __init__(self, *, feed: Feed, log: EventLog, heartbeat: timedelta) -> None:
        self._feed = feed
        self._log = log
        self._heartbeat = heartbeat.total_seconds()

    async def events(self, interest: Interest, *, after: int | None) -> AsyncGenerator[bytes]:
        """Return chunks of events behind `after`, None: from the present on, until the feed closes."""
        yield b"retry: 1000\n\n"
        await self._feed.started.wait()
        position = self._feed.head if after is None else after
        if gap := await self._gap(position):
            position = gap.last
            yield gap.sse
        yield b"id: %d\n: connected\n\n" % position
        batches = self._feed.batches(interest, after=position, within=self._heartbeat)
        async with aclosing(batches):
            async for position, entries in batches:
                if entries:
                    yield b"".join([entry.sse for entry in entries])
                else:
                    yield b"id: %d\n: heartbeat\n\n" % position

    async def _gap(self, position: int) -> Gap | None:
        """Find out whether the log can go on right behind this position."""
        if position == self._feed.head:
            return None
        end = await self._log.end()
        if position > end:
            return Gap(first=end + 1, last=end, reason="the log ends before this position")
        async for stored in self._log.read("slipway.>", after=position):
            if stored.sequence == position + 1:
                return None
            return Gap(first=position + 1, last=stored.sequence - 1, reason="no longer kept")
        return Gap(first=position + 1, last=end, reason="no longer kept") if position < end else None
