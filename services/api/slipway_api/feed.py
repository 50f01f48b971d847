"""One feed of the log per process: a bounded ring of encoded events that any number of readers share.

A reader is a position, and readers of one interest at one position share what they get. One that falls out
of the ring reads the log itself, page by page, until it is back in it; nothing is kept for a reader, so a
slow one costs no memory and loses nothing.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from slipway_chassis.event_log import CaughtUp, EventLog, New, Stored
from slipway_contracts import cdevents, subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import MalformedEnvelopeError

from slipway_api.silence import Silence

_EVERYTHING: Final = "slipway.>"
DESIRED: Final = "desired.v1"
FOR_ADMINS: Final = frozenset({"request.refused.v1", "webhook.configured.v1"})
"""They name callers, and URLs that may hold a secret."""
_BATCH: Final = 256
_BATCH_BYTES: Final = 64 << 10
_SHARED: Final = 32


@dataclass(frozen=True)
class Entry:
    """A message of the log, ready to be sent to anyone who may see it."""

    stored: Stored

    @property
    def sequence(self) -> int:
        """Its position."""
        return self.stored.sequence

    @cached_property
    def owner(self) -> tuple[str, str]:
        """Group and deployment, `_` for none."""
        return subjects.owner_of(self.stored.subject)

    @cached_property
    def type(self) -> str:
        """The type as in the body, `release.live.v1`."""
        return self.stored.headers.get("ce-type", "").removeprefix("dev.slipway.")

    @property
    def cloud_event(self) -> bytes:
        """The structured CloudEvent on one line; the body is taken over as it is."""
        headers = self.stored.headers
        attributes = {
            "specversion": headers.get("ce-specversion", "1.0"),
            "sequence": str(self.sequence),
            "datacontenttype": "application/json",
        }
        for name in ("id", "type", "source", "subject", "time", "causationid", "correlationid"):
            if value := headers.get(f"ce-{name}"):
                attributes[name] = value
        if traceparent := headers.get("traceparent"):
            attributes["traceparent"] = traceparent
        return json.dumps(attributes)[:-1].encode() + b', "data": ' + _on_one_line(self.stored.data) + b"}"

    @cached_property
    def sse(self) -> bytes:
        """The event as the event stream carries it."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.sequence, self.type.encode(), self.cloud_event)

    @cached_property
    def cdevents(self) -> bytes:
        """What the event means in CDEvents, as the event stream carries it.

        Of several only the last has the `id:`, so that a client that lost one of them gets all of them again.
        """
        try:
            meant = cdevents.rendered(self.stored.message, self.stored.envelope)
        except (UnknownMessageError, MalformedEnvelopeError):
            return b""
        messages = [
            f"event: {each.type}\ndata: {json.dumps(each.cloud_event(sequence=str(self.sequence)))}\n\n"
            for each in meant
        ]
        return "".join([*messages[:-1], *(f"id: {self.sequence}\n{last}" for last in messages[-1:])]).encode()


def _on_one_line(body: bytes) -> bytes:
    # Between the tokens of JSON a line break is a blank; inside its strings there is none.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


@dataclass(frozen=True, kw_only=True)
class Interest:
    """What a reader wants and may see.

    Attributes:
        groups: those whose messages it may see; None: all, and what belongs to none.
        types: begin of the wanted types, cut at dots; empty: all but desired records and what is for admins.
        audits: it may see what only admins may.
        among: of these only the ones that are listed here; None: all.
    """

    groups: frozenset[str] | None = None
    group: str | None = None
    deployment: str | None = None
    types: tuple[str, ...] = ()
    audits: bool = False
    among: frozenset[str] | None = None

    @property
    def subject(self) -> str:
        """The narrowest filter of the log that holds all of it."""
        return f"slipway.{self.group or '*'}.{self.deployment or '*'}.>"

    def covers(self, entry: Entry) -> bool:
        """Say whether the reader gets this message."""
        group, deployment = entry.owner
        if self.groups is not None and group not in self.groups and not self._public(entry):
            return False
        if self.group is not None and group != self.group:
            return False
        if self.deployment is not None and deployment != self.deployment:
            return False
        if entry.type in FOR_ADMINS and not self.audits:
            return False
        if self.among is not None and entry.type not in self.among:
            return False
        return is_wanted(entry.type, self.types)

    @staticmethod
    def _public(entry: Entry) -> bool:
        return entry.type.startswith("target.")


def is_wanted(type_name: str, prefixes: Sequence[str]) -> bool:
    """Say whether a type begins, up to a dot, with one of these.

    Without any: all but desired records and what only admins may see.
    """
    if not prefixes:
        return type_name != DESIRED and type_name not in FOR_ADMINS
    return any(f"{type_name}.".startswith(f"{prefix}.") for prefix in prefixes)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Part of the log that was asked for and is not there."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """What a reader gets at once: a position, and what its interest covers up to it.

    Attributes:
        position: nothing before it will come again.
        entries: in order; empty: the reader is told the position only.
        gap: what is missing before it.
    """

    position: int
    entries: tuple[Entry, ...] = ()
    gap: Gap | None = None

    @cached_property
    def sse(self) -> bytes:
        """The entries as the event stream carries them."""
        return b"".join([entry.sse for entry in self.entries])

    @cached_property
    def cdevents(self) -> bytes:
        """What the entries mean in CDEvents, as the event stream carries it; empty: nothing."""
        return b"".join([entry.cdevents for entry in self.entries])


class Feed:
    """The newest part of the log, in memory.

    Args:
        log: the log.
        events: most events held.
        size: most bytes of bodies held.
    """

    def __init__(self, *, log: EventLog, events: int, size: int) -> None:
        self.started: Final = asyncio.Event()
        self._log = log
        self._events = events
        self._size = size
        self._ring: deque[Entry] = deque()
        self._held = 0
        self._floor = 0
        self._head = 0
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._shared: dict[tuple[Interest, int], Batch] = {}

    @property
    def head(self) -> int:
        """The newest position of the log that was seen here."""
        return self._head

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with aclosing(self._log.follow(_EVERYTHING, start=New())) as items:
            async for item in items:
                match item:
                    case CaughtUp(sequence=sequence):
                        self._floor = self._head = sequence
                        self.started.set()
                        self._wake()
                    case Stored():
                        self._append(Entry(item))

    def close(self) -> None:
        """Wake all readers and tell them to leave."""
        self._closed = True
        self._wake()

    async def batches(self, interest: Interest, *, after: int, within: float) -> AsyncGenerator[Batch]:
        """Return, until the feed closes, what the interest covers behind a position.

        A batch comes at least every `within` seconds, without entries when there is nothing to tell.
        """
        position = after
        with Silence(within) as silence:
            while not self._closed:
                if position < self._floor:
                    async with aclosing(self._from_log(interest, position)) as batches:
                        async for batch in batches:
                            yield batch
                            position = batch.position
                            silence.broken()
                    continue
                batch = self._behind(interest, position)
                position = batch.position
                if batch.entries or silence.too_long:
                    yield batch
                    silence.broken()
                elif self._head <= position:
                    await self._arrival(silence)

    async def _arrival(self, silence: Silence) -> None:
        """Wait for the next message, or until the silence is too long."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await silence.ended_by(waiter)
        finally:
            self._waiting.discard(waiter)

    async def _from_log(self, interest: Interest, position: int) -> AsyncGenerator[Batch]:
        """Read the log itself, up to where the ring was when it was asked."""
        goal = self._head
        if gap := await self._gap(position):
            position = gap.last
            yield Batch(position, gap=gap)
        pages = self._log.pages(interest.subject, after=position, most=_BATCH, size=_BATCH_BYTES)
        async with aclosing(pages):
            async for page in pages:
                if self._closed:
                    return
                read = [Entry(stored) for stored in page.messages]
                position = read[-1].sequence if page.more else max(position, goal)
                yield Batch(
                    position,
                    tuple(each for each in read if each.sequence <= position and interest.covers(each)),
                )
                if position >= goal:
                    return

    async def _gap(self, position: int) -> Gap | None:
        """Find out whether the log can go on right behind this position."""
        async for stored in self._log.read(_EVERYTHING, after=position):
            if stored.sequence == position + 1:
                return None
            return Gap(first=position + 1, last=stored.sequence - 1, reason="no longer kept")
        return Gap(first=position + 1, last=self._head, reason="no longer kept")

    def _behind(self, interest: Interest, position: int) -> Batch:
        """Return the next batch of the ring; readers of one interest at one position get the same."""
        known = self._shared.get((interest, position))
        if known is not None:
            return known
        fresh = self._fresh(position)
        batch = Batch(
            fresh[-1].sequence if fresh else position,
            tuple(entry for entry in fresh if interest.covers(entry)),
        )
        if len(self._shared) >= _SHARED:
            self._shared.clear()
        self._shared[interest, position] = batch
        return batch

    def _fresh(self, position: int) -> list[Entry]:
        behind: list[Entry] = []
        for entry in reversed(self._ring):
            if entry.sequence <= position:
                break
            behind.append(entry)
        fresh: list[Entry] = []
        size = 0
        while behind and len(fresh) < _BATCH and size < _BATCH_BYTES:
            fresh.append(behind.pop())
            size += len(fresh[-1].stored.data)
        return fresh

    def _append(self, entry: Entry) -> None:
        self._ring.append(entry)
        self._held += len(entry.stored.data)
        self._head = entry.sequence
        while len(self._ring) > self._events or (self._held > self._size and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._held -= len(oldest.stored.data)
            self._floor = oldest.sequence
        self._shared.clear()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
