"""Looks at deployments again when a deadline, a restart or a gateway's answer is due.

Every replica of the deployer keeps the same agenda from the log; the expected sequence lets one of them win.
It decides nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from slipway_chassis.errors import SlipwayError
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.replica import ReplicaFact

from slipway_deployer.deployments import Key
from slipway_deployer.timetable import awaits_gateways, next_look

# A look that was due and changed nothing is not repeated at once.
PATIENCE: Final = timedelta(seconds=1)
RESYNC_EVERY: Final = timedelta(seconds=60)
_log = structlog.get_logger(__name__)


@dataclass
class _Entry:
    desired: Desired | None = None
    facts: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    not_before: datetime | None = None

    @property
    def due(self) -> datetime | None:
        if self.desired is None:
            return None
        at = next_look(self.desired, self.facts)
        if at is None or self.not_before is None:
            return at
        return max(at, self.not_before)


class Agenda:
    """Follows desired states and replica facts, and wakes what is due."""

    def __init__(
        self,
        *,
        log: EventLog,
        wake: Callable[[Key], Awaitable[None]],
        resync: Callable[[Key], Awaitable[None]],
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._event_log = log
        self._wake = wake
        self._resync = resync
        self._clock = clock
        self._entries: dict[Key, _Entry] = {}
        self._changed = asyncio.Event()
        self.caught_up = asyncio.Event()

    async def follow(self) -> None:
        """Keep the agenda; runs until cancelled."""
        following = self._event_log.follow(
            subjects.ALL_DESIRED, subjects.ALL_REPLICAS, start=LastPerSubject()
        )
        async for stored in following:
            if isinstance(stored, CaughtUp):
                self.caught_up.set()
            else:
                self._note(stored.message)
                self._changed.set()

    def _note(self, message: object) -> None:
        if isinstance(message, Desired):
            entry = self._entries.setdefault((message.group, message.deployment), _Entry())
            entry.desired, entry.not_before = message, None
            wanted = {each.workload.id for each in message.workloads}
            entry.facts = {key: fact for key, fact in entry.facts.items() if key[0] in wanted}
        elif isinstance(message, ReplicaFact):
            entry = self._entries.setdefault((message.group, message.deployment), _Entry())
            entry.facts[(message.workload, message.replica)] = message

    async def gateways_changed(self) -> None:
        """Wake what waits for the gateways."""
        keys = [
            key for key, entry in self._entries.items() if entry.desired and awaits_gateways(entry.desired)
        ]
        await self._wake_all(keys, self._wake)

    async def run(self) -> None:
        """Wake what is due, and resync everything now and then; runs until cancelled."""
        await self.caught_up.wait()
        resync_at = self._clock()
        while True:
            self._changed.clear()
            at = self._clock()
            if at >= resync_at:
                resync_at = at + RESYNC_EVERY
                await self._wake_all(list(self._entries), self._resync)
            due = {key: entry.due for key, entry in self._entries.items()}
            late = [key for key, when in due.items() if when is not None and when <= at]
            for key in late:
                self._entries[key].not_before = at + PATIENCE
            await self._wake_all(late, self._wake)
            await self._sleep_until(
                min([when for key, when in due.items() if when and key not in late], default=resync_at),
                again=bool(late),
            )

    async def _sleep_until(self, when: datetime, *, again: bool) -> None:
        pause = PATIENCE if again else RESYNC_EVERY
        seconds = min((when - self._clock()).total_seconds(), pause.total_seconds())
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _wake_all(self, keys: list[Key], wake: Callable[[Key], Awaitable[None]]) -> None:
        for result in await asyncio.gather(*(wake(key) for key in keys), return_exceptions=True):
            if isinstance(result, SlipwayError):
                _log.warning("deployment.not_advanced", error=str(result))
            elif isinstance(result, BaseException):
                raise result
