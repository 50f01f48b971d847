"""What happens, for all workers: a bounded ring of the newest messages, and the log itself behind it.

A reader is a position. One that falls out of the ring reads the log until it is back in it; nothing is kept
per reader, so a slow one costs no memory and loses nothing.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from slipway_chassis.event_log import After, CaughtUp, EventLog, New, Stored
from slipway_contracts import subjects

_EVERYTHING: Final = "slipway.>"
_ONLY_BY_NAME: Final = frozenset({"desired.v1", "request.refused.v1", "webhook.configured.v1"})
_BATCH: Final = 256


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


def _on_one_line(body: bytes) -> bytes:
    # Between the tokens of JSON a line break is a blank; inside its strings there is none.
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


@dataclass(frozen=True, kw_only=True)
class Interest:
    """What a webhook gets.

    Attributes:
        group: None: the messages of all groups, and those that belong to none.
        deployment: None: of all deployments, and those that belong to none.
        types: begin of the wanted types, cut at dots; empty: all but desired records and refused requests.
    """

    group: str | None = None
    deployment: str | None = None
    types: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The narrowest filter of the log that holds all of it."""
        return f"slipway.{self.group or '*'}.{self.deployment or '*'}.>"

    def covers(self, entry: Entry) -> bool:
        """Say whether the webhook gets this message."""
        group, deployment = entry.owner
        if self.group is not None and group != self.group:
            return False
        if self.deployment is not None and deployment != self.deployment:
            return False
        return is_wanted(entry.type, self.types)


def is_wanted(type_name: str, prefixes: Sequence[str]) -> bool:
    """Say whether a type begins, up to a dot, with one of these; without any: all but some."""
    if not prefixes:
        return type_name not in _ONLY_BY_NAME
    return any(f"{type_name}.".startswith(f"{prefix}.") for prefix in prefixes)


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
        self._arrived = asyncio.Event()

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

    async def moved(self, position: int, *, within: float) -> bool:
        """Wait for something behind this position; False: nothing came within so many seconds."""
        arrived = self._arrived
        if self._head > position:
            return True
        try:
            async with asyncio.timeout(within):
                await arrived.wait()
        except TimeoutError:
            return False
        return True

    async def batches(
        self, interest: Interest, *, after: int, within: float
    ) -> AsyncGenerator[tuple[int, Sequence[Entry]]]:
        """Return, forever, a position and what the interest covers up to it.

        A batch comes at least every `within` seconds, empty when nothing is to be told.

        Raises:
            LogTruncatedError: the log ends before `after`.
        """
        position = after
        while True:
            if position < self._floor:
                async with aclosing(self._from_log(interest, position)) as batches:
                    async for position, entries in batches:
                        yield position, entries
                continue
            fresh = self._behind(position)
            if not fresh:
                if not await self.moved(position, within=within):
                    yield position, ()
                continue
            position = fresh[-1].sequence
            if wanted := [entry for entry in fresh if interest.covers(entry)]:
                yield position, wanted

    async def _from_log(
        self, interest: Interest, position: int
    ) -> AsyncGenerator[tuple[int, Sequence[Entry]]]:
        """Read the log itself, up to where the ring was when it was asked."""
        goal = self._head
        entries: list[Entry] = []
        async with aclosing(self._log.follow(interest.subject, start=After(position))) as items:
            async for item in items:
                if isinstance(item, CaughtUp) or item.sequence > goal:
                    break
                position, entry = item.sequence, Entry(item)
                if interest.covers(entry):
                    entries.append(entry)
                if len(entries) >= _BATCH:
                    yield position, entries
                    entries = []
        yield max(position, goal), entries

    def _behind(self, position: int) -> list[Entry]:
        fresh: list[Entry] = []
        for entry in reversed(self._ring):
            if entry.sequence <= position:
                break
            fresh.append(entry)
        fresh.reverse()
        return fresh[:_BATCH]

    def _append(self, entry: Entry) -> None:
        self._ring.append(entry)
        self._held += len(entry.stored.data)
        self._head = entry.sequence
        while len(self._ring) > self._events or (self._held > self._size and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._held -= len(oldest.stored.data)
            self._floor = oldest.sequence
        self._wake()

    def _wake(self) -> None:
        # Readers wait on the event they took before they looked, so that none sleeps over an arrival.
        self._arrived.set()
        self._arrived = asyncio.Event()
