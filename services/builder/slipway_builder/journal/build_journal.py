"""Writes the events of one build, each on condition that the log still says what the decision rested on.

Several builders, or a builder and a cancel, may decide at once: one wins, the others load again and find out.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from slipway_chassis.errors import ConflictError, DuplicateError
from slipway_chassis.event_log import After, EventLog
from slipway_chassis.stored import Expect, Outgoing, Stored
from slipway_contracts.commands import Build
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import (
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    Event,
    OperationStarted,
)
from slipway_contracts.names import derived_id
from slipway_contracts.subjects import build_events, of, owner_of

from slipway_builder.journal.build_record import BuildRecord

SOURCE: Final = "/slipway/builder"

Decide = Callable[[BuildRecord], Awaitable[Sequence[Event]]]


class BuildEndedError(Exception):
    """The build has ended: nothing more may be written about it."""

    def __init__(self, record: BuildRecord) -> None:
        super().__init__(f"the build is {record.state}")
        self.record = record


class BuildTakenOverError(Exception):
    """Another builder began this build after this one did, and will end it."""


class BuildJournal:
    """The events of one build, written because of one command.

    Args:
        log: the log.
        command: the command that is handled now.
        build: id of the build.
        since: position of the command that asked for the build; its events come later.
    """

    def __init__(self, log: EventLog, command: Stored, *, build: str, since: int) -> None:
        self._log = log
        self._owner = owner_of(command.subject)
        self._cause = command.envelope
        self._build = build
        self._since = since
        self._filter = build_events(*self._owner)
        self._start_id = derived_id(build, new_id(), "build.started.v1")
        self._began = False
        self._record: BuildRecord | None = None

    async def load(self) -> BuildRecord:
        """Return what the log says now."""
        while True:
            events = [stored async for stored in self._log.read(self._filter, after=self._since)]
            last = await self._log.last(self._filter)
            sequence = last.sequence if last is not None else 0
            if sequence <= (events[-1].sequence if events else self._since):
                self._record = BuildRecord.fold(self._build, events, sequence=sequence)
                return self._record

    async def begin(self, command: Build) -> None:
        """Take the build: every builder that began it before stops at its next event.

        Raises:
            BuildEndedError: it has ended.
        """
        place = {"group": command.group, "deployment": command.deployment}
        accepted = OperationStarted(**place, operation=self._build)
        started = BuildStarted(
            **place,
            build=self._build,
            source=command.source,
            by=command.by,
            deadline_at=command.deadline_at,
        )

        async def decide(record: BuildRecord) -> Sequence[Event]:
            if record.owner == self._start_id:
                return []
            return [accepted, started] if record.runs == 0 else [started]

        await self.write(decide)
        self._began = True
        if self._record is not None:
            self._record = replace(self._record, owner=self._start_id)

    async def append(self, *events: Event) -> None:
        """Write these events as one batch; raises as `write` does."""

        async def decide(_: BuildRecord) -> Sequence[Event]:
            return events

        await self.write(decide)

    async def write(self, decide: Decide) -> None:
        """Write what `decide` returns as one batch; it is asked again whenever the log moved on meanwhile.

        The last event returned must be one of the build; nothing is written when there is none.

        Raises:
            BuildEndedError: the build has ended, here or elsewhere, perhaps by this very batch.
            BuildTakenOverError: this journal began the build, and another builder began it since.
        """
        while True:
            record = self._record or await self.load()
            if record.ended:
                raise BuildEndedError(record)
            if self._began and record.owner != self._start_id:
                raise BuildTakenOverError
            events = await decide(record)
            if not events:
                return
            try:
                receipt = await self._log.publish_batch(self._outgoing(events, record.sequence))
            except (ConflictError, DuplicateError):
                self._record = None
            else:
                self._record = replace(record, sequence=receipt.sequence)
                return

    async def tell(self, event: Event) -> None:
        """Publish an event that says nothing about the build, such as how the handled command ended."""
        await self._log.publish(self._outgoing([event], None)[0])

    async def until_ended(self) -> None:
        """Return when whoever took the build over has ended it."""
        record = await self.load()
        if record.ended:
            return
        async with aclosing(self._log.follow(self._filter, start=After(record.sequence))) as items:
            async for item in items:
                if isinstance(item, Stored):
                    record = record.after(self._build, item)
                if record.ended:
                    return

    def _outgoing(self, events: Sequence[Event], sequence: int | None) -> list[Outgoing]:
        expect = None if sequence is None else Expect(sequence=sequence, subject=self._filter)
        first, *others = events
        return [
            Outgoing(subject=of(first), message=first, envelope=self._envelope(first), expect=expect),
            *(Outgoing(subject=of(each), message=each, envelope=self._envelope(each)) for each in others),
        ]

    def _envelope(self, event: Event) -> Envelope:
        return Envelope(
            id=self._id_of(event),
            type=event.type,
            source=SOURCE,
            subject="/".join(self._owner),
            time=now(),
            causation_id=self._cause.id,
            correlation_id=self._cause.correlation_id or self._cause.id,
        )

    def _id_of(self, event: Event) -> str:
        """Return an id that a retry keeps; each run of a build has ids of its own for what it may repeat."""
        match event:
            case BuildStarted():
                return self._start_id
            case BuildStepStarted() | BuildStepFinished():
                return derived_id(self._start_id, event.type, event.step)
            case _:
                return derived_id(getattr(event, "operation", self._build), event.type)
