"""`GET /v1/events` as server-sent events: where a client begins, what it gets, and that it learns of a gap.

The blank message that carries only an `id:` moves the client's Last-Event-ID without an event; it goes out at
the beginning and with each heartbeat, so that a client resumes where it was even if nothing happened.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from slipway_chassis.event_log import EventLog
from slipway_contracts.cdevents import MEANINGFUL

from slipway_api.feed import Batch, Feed, Gap, Interest


class Format(StrEnum):
    """The vocabulary of a stream."""

    CLOUDEVENTS = "cloudevents"
    """The messages of the log as they are, each in a CloudEvent."""
    CDEVENTS = "cdevents"
    """What they mean in CDEvents, each in a CloudEvent."""


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

    async def events(
        self, interest: Interest, *, after: int | None, format_: Format
    ) -> AsyncGenerator[bytes]:
        """Return chunks of events behind `after`, None: from the present on, until the feed closes."""
        yield b"retry: 1000\n\n"
        await self._feed.started.wait()
        position = self._feed.head if after is None else after
        if position > self._feed.head and position > (end := await self._log.end()):
            yield _told(Gap(first=end + 1, last=end, reason="the log ends before this position"))
            position = end
        yield b"id: %d\n: connected\n\n" % position
        as_cdevents = format_ is Format.CDEVENTS
        if as_cdevents:
            interest = replace(interest, among=MEANINGFUL)
        batches = self._feed.batches(interest, after=position, within=self._heartbeat)
        async with aclosing(batches):
            async for batch in batches:
                events = batch.cdevents if as_cdevents else batch.sse
                yield events or _without_events(batch)


def _without_events(batch: Batch) -> bytes:
    return _told(batch.gap) if batch.gap else b"id: %d\n: heartbeat\n\n" % batch.position


def _told(gap: Gap) -> bytes:
    """Return the gap as the event stream tells it; the client goes on behind it."""
    data = json.dumps({"from": gap.first, "to": gap.last, "reason": gap.reason})
    return f"id: {gap.last}\nevent: gap\ndata: {data}\n\n".encode()
