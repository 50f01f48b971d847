"""Looks at deployments again when a deadline, a restart or a gateway's answer is due.

Every replica of the deployer keeps the same agenda from the log; the expected sequence lets one of them win.
It decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from slipway_chassis.errors import SlipwayError
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject, Stored
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import MalformedEnvelopeError, now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact

from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.observed import ENDED
from slipway_deployer.records import Key
from slipway_deployer.timetable import awaits_gateways, next_look

# A look that was due and changed nothing is not repeated at once.
PATIENCE: Final = timedelta(seconds=1)
RESYNC_EVERY: Final = timedelta(seconds=60)
STRAYS_AGAIN_AFTER: Final = timedelta(seconds=20)
_AT_ONCE: Final = 8
_log = get_logger()


class Wake(Protocol):
    """Brings a deployment forward; see `Wakeups.wake`."""

    async def __call__(self, key: Key, *, resync: bool = False) -> bool:
        """Return False where it has to be looked at again."""
        ...


class Disown(Protocol):
    """Removes what no record names; see `Wakeups.disown`."""

    async def __call__(self, key: Key, strays: Sequence[ReplicaFact]) -> bool:
        """Return False where it has to be done again."""
        ...


@dataclass
class _Entry:
    desired: Desired | None = None
    sequence: int = 0
    """Of the desired record."""
    running: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    strays_not_before: datetime | None = None
    facts: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    not_before: datetime | None = None
    again_at: datetime | None = None

    @property
    def due(self) -> datetime | None:
        planned = next_look(self.desired, self.facts) if self.desired is not None else None
        at = min((each for each in (planned, self.again_at) if each is not None), default=None)
        return at if at is None or self.not_before is None else max(at, self.not_before)

    @property
    def strays(self) -> list[ReplicaFact]:
        """What was last seen running, and is neither wanted nor about to go."""
        named = set[str]()
        if self.desired is not None:
            named = {each.workload.id for each in self.desired.workloads}
            named |= {each.id for each in self.desired.removed}
        return [fact for fact in self.running.values() if fact.workload not in named]

    def note_replica(self, fact: ReplicaFact) -> None:
        """Keep what it says."""
        key = (fact.workload, fact.replica)
        if fact.state in ENDED:
            self.running.pop(key, None)
        else:
            self.running[key] = fact
        if not self.is_over:
            self.facts[key] = fact

    @property
    def is_over(self) -> bool:
        return self.desired is not None and self.desired.ended


class Agenda:
    """Follows desired states and replica facts, and wakes what is due; one that is slow delays no other."""

    def __init__(
        self,
        *,
        log: EventLog,
        wake: Wake,
        disown: Disown,
        ports: FixedPorts | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._event_log = log
        self._ports = ports or FixedPorts()
        self._wake = wake
        self._disown = disown
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._gateways: Sequence[GatewayRecord] = ()
        self._with_strays: set[Key] = set()
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._awake: set[Key] = set()

    async def follow(self) -> None:
        """Keep the agenda; runs until cancelled."""
        filters = (subjects.ALL_DESIRED, subjects.ALL_REPLICAS)
        async with aclosing(self._event_log.follow(*filters, start=LastPerSubject())) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    self._caught_up.set()
                else:
                    self._note(item)
                    self._changed.set()

    def _note(self, stored: Stored) -> None:
        key = subjects.owner_of(stored.subject)
        try:
            message = stored.message
        except (UnknownMessageError, MalformedEnvelopeError) as error:
            _log.error("record.unreadable", subject=stored.subject, error=str(error))
            return
        entry = self._entries.setdefault(key, _Entry())
        if isinstance(message, Desired):
            self._ports.note(message)
            entry.desired, entry.sequence, entry.not_before = message, stored.sequence, None
            wanted = {
                (each.workload.id, replica)
                for each in message.workloads
                for replica in each.workload.replica_ids
            }
            entry.facts = {key: fact for key, fact in entry.facts.items() if key in wanted}
            # A gateway may have told of this record before the log did.
            self._look_where_applied(key, entry)
        elif isinstance(message, ReplicaFact):
            entry.note_replica(message)
        if entry.strays:
            self._with_strays.add(key)
        else:
            self._with_strays.discard(key)

    def gateways_changed(self, records: Sequence[GatewayRecord]) -> None:
        """Let what waits for the gateways be looked at now, where all of them have applied its record."""
        self._gateways = records
        for key, entry in self._entries.items():
            self._look_where_applied(key, entry)
        self._changed.set()

    def _look_where_applied(self, key: Key, entry: _Entry) -> None:
        if entry.desired is None or not awaits_gateways(entry.desired):
            return
        if self._gateways and all(each.has_applied("/".join(key), entry.sequence) for each in self._gateways):
            entry.again_at, entry.not_before = self._clock(), None

    async def run(self) -> None:
        """Wake what is due, and resync everything now and then; runs until cancelled."""
        await self._caught_up.wait()
        resync_at = self._clock()
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                at = self._clock()
                if at >= resync_at:
                    resync_at = at + RESYNC_EVERY
                    for key in [key for key, entry in self._entries.items() if not entry.is_over]:
                        self._start(group, key, resync=True)
                for key in [key for key, entry in self._entries.items() if entry.due and entry.due <= at]:
                    self._start(group, key, resync=False)
                for key in self._with_strays:
                    self._start_disowning(group, key, at)
                await self._sleep_until(min(self._due_times(), default=resync_at), resync_at)

    def _due_times(self) -> list[datetime]:
        return [
            entry.due
            for key, entry in self._entries.items()
            if entry.due is not None and key not in self._awake
        ]

    def _start_disowning(self, group: asyncio.TaskGroup, key: Key, at: datetime) -> None:
        entry = self._entries[key]
        if entry.strays_not_before is None or at >= entry.strays_not_before:
            entry.strays_not_before = at + STRAYS_AGAIN_AFTER
            group.create_task(self._remove_strays(key, entry.strays))

    async def _remove_strays(self, key: Key, strays: Sequence[ReplicaFact]) -> None:
        try:
            await self._disown(key, strays)
        except SlipwayError as error:
            _log.warning("workload.not_disowned", group=key[0], deployment=key[1], error=str(error))

    def _start(self, group: asyncio.TaskGroup, key: Key, *, resync: bool) -> None:
        if key not in self._awake:
            self._awake.add(key)
            self._entries[key].again_at = None
            group.create_task(self._look(key, resync=resync))

    async def _look(self, key: Key, *, resync: bool) -> None:
        entry = self._entries[key]
        entry.not_before = self._clock() + PATIENCE
        try:
            async with self._places:
                settled = await self._wake(key, resync=resync)
        except SlipwayError as error:
            _log.warning("deployment.not_advanced", group=key[0], deployment=key[1], error=str(error))
            settled = False
        finally:
            self._awake.discard(key)
        if not settled:
            entry.again_at = self._clock() + PATIENCE
        self._changed.set()

    def look_again(self, key: Key) -> None:
        """Look at this deployment once more in a moment: its engine did not take a wish."""
        self._entries.setdefault(key, _Entry()).again_at = self._clock() + PATIENCE
        self._changed.set()

    async def _sleep_until(self, when: datetime, latest: datetime) -> None:
        seconds = (min(when, latest) - self._clock()).total_seconds()
        if seconds <= 0:
            # What is due has been started; another turn of the loop lets it run.
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
