"""`GET /v1/events` as server-sent events: where a client begins, what it gets, and that it learns of a gap.

The blank message that carries only an `id:` moves the client's Last-Event-ID without an event; it goes out at
the beginning and with each heartbeat, so that a client resumes where it was even if nothing happened.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Batch, Entry, Feed, Form, Gap
from slipway_contracts.cdevents import MEANINGFUL

from slipway_api.streams.interest import PermittedInterest


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
        self, interest: PermittedInterest, *, after: int | None, format_: Format
    ) -> AsyncGenerator[bytes]:
        """Return chunks of events behind `after`, None: from the present on, until the feed closes."""
        yield b"retry: 1000\n\n"
        await self._feed.started.wait()
        position = self._feed.head if after is None else after
        if position > self._feed.head and position > (end := await self._log.end()):
            gap = Gap(first=end + 1, last=position, reason="the log ends before this position")
            yield _told(gap, behind=end)
            position = end
        yield b"id: %d\n: connected\n\n" % position
        if format_ is Format.CDEVENTS:
            interest = replace(interest, among=MEANINGFUL)
        form = _FORMS[format_]
        async with aclosing(self._feed.batches(interest, after=position, within=self._heartbeat)) as batches:
            async for batch in batches:
                yield batch.written(form) or _without_events(batch)


def as_cloudevents(entries: Sequence[Entry]) -> bytes:
    """Write entries as the event stream carries them."""
    return b"".join(
        [
            b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.sequence, entry.type.encode(), entry.cloud_event)
            for entry in entries
        ]
    )


def as_cdevents(entries: Sequence[Entry]) -> bytes:
    """Write what entries mean in CDEvents as the event stream carries it.

    Of several that one message means only the last has the `id:`, so that a client that lost one of them
    gets all of them again.
    """
    written: list[str] = []
    for entry in entries:
        written += [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in entry.cdevents]
        if entry.cdevents:
            written[-1] = f"id: {entry.sequence}\n{written[-1]}"
    return "".join(written).encode()


_FORMS: Final[dict[Format, Form]] = {Format.CLOUDEVENTS: as_cloudevents, Format.CDEVENTS: as_cdevents}


def _without_events(batch: Batch) -> bytes:
    if batch.gap is None:
        return b"id: %d\n: heartbeat\n\n" % batch.position
    return _told(batch.gap, behind=batch.gap.last)


def _told(gap: Gap, *, behind: int) -> bytes:
    """Return the gap as the event stream tells it; the client goes on behind a position."""
    told = {"from": gap.first, "to": gap.last, "first_available": behind + 1, "reason": gap.reason}
    data = json.dumps(told)
    return f"id: {behind}\nevent: gap\ndata: {data}\n\n".encode()
