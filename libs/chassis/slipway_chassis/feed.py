"""The newest part of the log in memory, for any number of readers, and the log itself behind it.

A reader is a position, and readers of one interest at one position share what they get. One that falls out
of the ring reads the log, page by page, until it is back in it; nothing is kept for a reader, so a slow one
costs no memory and loses nothing. What the log no longer has is told.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final
from weakref import WeakValueDictionary

from pydantic_core import from_json
from slipway_contracts import cdevents, subjects
from slipway_contracts.envelope import TYPE_PREFIX

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import CaughtUp, EventLog, New, Stored
from slipway_chassis.silence import Silence
from slipway_chassis.stored import NAMELESS, nameless_id
from slipway_chassis.truncation import whole_from

ONLY_BY_NAME: Final = frozenset(
    {"desired", "request.refused", "webhook.configured", "webhook.pinged", "webhook.answered"}
)
"""What comes only when it is asked for: types of whatever version."""
_BATCH: Final = 256
_BATCH_BYTES: Final = 64 << 10
_SHARED: Final = 32
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Entry:
    """A message of the log, ready to be sent to anyone who may see it."""

    stored: Stored

    @property
    def sequence(self) -> int:
        """Its position."""
        return self.stored.sequence

    @property
    def id(self) -> str:
        """The id of its event."""
        return self.stored.headers["ce-id"] if self.stored.is_named else nameless_id(self.sequence)

    @cached_property
    def owner(self) -> tuple[str, str]:
        """Group and deployment, `_` for none."""
        return subjects.owner_of(self.stored.subject)

    @cached_property
    def type(self) -> str:
        """The type as in the body, `release.live.v1`; `unknown` of a message without usable headers."""
        return self.stored.headers["ce-type"].removeprefix(TYPE_PREFIX) if self.stored.is_named else NAMELESS

    @cached_property
    def cloud_event(self) -> bytes:
        """The structured CloudEvent on one line, valid whatever the log holds.

        The body is taken over as it is; as a string where it is no JSON. A message whose headers say nothing
        usable has the id, type and source under which the history stores it.
        """
        attributes = {
            "specversion": "1.0",
            "sequence": str(self.sequence),
            "datacontenttype": "application/json",
            **self._attributes(),
        }
        written = ", ".join([f'"{name}": {_quoted(value)}' for name, value in attributes.items()])
        return b'{%s, "data": %s}' % (written.encode(), _json_or_text(self.stored.data))

    def _attributes(self) -> Mapping[str, str]:
        told = {"id": self.id, "type": f"{TYPE_PREFIX}{self.type}"}
        if not self.stored.is_named:
            return {**told, "source": NAMELESS, "time": _rfc3339(self.stored.time)}
        envelope = self.stored.envelope
        known = {
            "source": envelope.source,
            "subject": envelope.subject,
            "time": _rfc3339(envelope.time),
            "causationid": envelope.causation_id,
            "correlationid": envelope.correlation_id,
            "traceparent": envelope.traceparent,
        }
        return told | {name: value for name, value in known.items() if value}

    @cached_property
    def cdevents(self) -> Sequence[Mapping[str, Any]]:
        """What it means in CDEvents, each in a structured CloudEvent, in order; none: nothing."""
        message = self.stored.readable
        meant = () if message is None else cdevents.rendered(message, self.stored.envelope)
        return tuple(each.cloud_event(sequence=str(self.sequence)) for each in meant)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json_or_text(body: bytes) -> bytes:
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return _quoted(body.decode(errors="replace")).encode()
    # Between the tokens of JSON a line break is a blank; inside its strings there is none.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


@dataclass(frozen=True, kw_only=True)
class Interest:
    """What a reader wants.

    Attributes:
        group: None: the messages of all groups, and those that belong to none.
        deployment: None: of all deployments, and those that belong to none.
        types: begin of the wanted types, cut at dots; empty: all but those that come only by name.
    """

    group: str | None = None
    deployment: str | None = None
    types: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The narrowest filter of the log that holds all of it."""
        return subjects.deployment(self.group or "*", self.deployment or "*")

    def covers(self, entry: Entry) -> bool:
        """Say whether the reader gets this message."""
        group, deployment = entry.owner
        if self.group is not None and group != self.group:
            return False
        if self.deployment is not None and deployment != self.deployment:
            return False
        return is_wanted(entry.type, self.types)


def is_wanted(type_name: str, prefixes: Collection[str]) -> bool:
    """Say whether a type begins, up to a dot, with one of these; without any: all but `ONLY_BY_NAME`."""
    if not prefixes:
        return not is_wanted(type_name, ONLY_BY_NAME)
    return any(f"{type_name}.".startswith(f"{prefix}.") for prefix in prefixes)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Part of the log that was asked for and is not there."""

    first: int
    last: int
    reason: str


Form = Callable[[Sequence[Entry]], bytes]
"""How entries are written for those who get them."""


@dataclass(frozen=True, eq=False)
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
    _written: dict[Form, bytes] = field(default_factory=dict, init=False, repr=False)

    def written(self, form: Form) -> bytes:
        """Return the entries in a form; that is made once for all who share the batch."""
        written = self._written.get(form)
        if written is None:
            written = self._written[form] = form(self.entries)
        return written


class _View:
    """An interest, the same object for all who have it: as a key it is compared by identity."""

    __slots__ = ("__weakref__", "interest")

    def __init__(self, interest: Interest) -> None:
        self.interest: Final = interest


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
        self._views: WeakValueDictionary[Interest, _View] = WeakValueDictionary()
        self._shared: dict[tuple[_View, int], Batch] = {}

    @property
    def head(self) -> int:
        """The newest position of the log that was seen here."""
        return self._head

    async def run(self) -> None:
        """Follow the log until cancelled.

        Raises:
            LogTruncatedError: the log ends before what was already read.
        """
        async with aclosing(self._log.follow(subjects.ALL, start=New())) as items:
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

        A batch comes at least every `within` seconds, without entries when there is nothing to tell. An
        outage of the log is waited for. Use `contextlib.aclosing`.
        """
        view = self._views.setdefault(interest, _View(interest))
        loop, position = asyncio.get_running_loop(), after
        with Silence(within) as silence:
            while not self._closed:
                if position < self._floor:
                    async with aclosing(self._from_log(interest, position)) as batches:
                        async for batch in batches:
                            yield batch
                            position = batch.position
                            silence.broken()
                    continue
                if position < self._head:
                    batch = self._shared.get((view, position)) or self._behind(view, position)
                    position = batch.position
                    if not batch.entries and not silence.too_long:
                        continue
                elif silence.too_long:
                    batch = Batch(position)
                else:
                    waiter = loop.create_future()
                    self._waiting.add(waiter)
                    silence.ends(waiter)
                    try:
                        await waiter
                    finally:
                        self._waiting.discard(waiter)
                    continue
                yield batch
                silence.broken()

    async def _from_log(self, interest: Interest, position: int) -> AsyncGenerator[Batch]:
        """Read the log itself, up to where the ring was when it was asked, or to a gap."""
        goal = self._head
        pages = self._log.pages(interest.subject, after=position, most=_BATCH, size=_BATCH_BYTES)
        async with aclosing(pages):
            async for page in pages:
                if self._closed:
                    return
                # Asked after the page was read: what is there now was there then.
                if gap := await self._gap(position):
                    yield Batch(gap.last, gap=gap)
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
        """Find out whether the log is whole from right behind this position on."""
        while True:
            try:
                last = max(await whole_from(self._log), await self._next(position)) - 1
            except TransientError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                missing = Gap(first=position + 1, last=last, reason="no longer kept")
                return missing if last > position else None

    async def _next(self, position: int) -> int:
        async for stored in self._log.read(subjects.ALL, after=position):
            return stored.sequence
        return self._head + 1

    def _behind(self, view: _View, position: int) -> Batch:
        """Make the next batch of the ring, for all who have this view at this position."""
        fresh = self._fresh(position)
        batch = Batch(fresh[-1].sequence, tuple(entry for entry in fresh if view.interest.covers(entry)))
        if len(self._shared) >= _SHARED:
            self._shared.clear()
        self._shared[view, position] = batch
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
        if entry.sequence != self._head + 1:
            self._ring.clear()
            self._held, self._floor = 0, entry.sequence - 1
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
