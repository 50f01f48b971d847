"""Looks at deployments again when a deadline, a restart or a gateway's answer is due.

Every replica of the deployer keeps the same agenda from the log; the expected sequence lets one of them win.
It decides nothing. A deployment that cannot be judged keeps no other waiting.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject, Stored
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact

from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.meters import Meters
from slipway_deployer.records import Key, RecordUnreadableError
from slipway_deployer.timing.due_times import DueTimes
from slipway_deployer.timing.outlook import PATIENCE, Outlook
from slipway_deployer.timing.wakeups import Disown

RESYNC_EVERY: Final = timedelta(seconds=60)
STRAYS_AGAIN_AFTER: Final = timedelta(seconds=20)
_AT_ONCE: Final = 8
_log = get_logger()


class Wake(Protocol):
    """Brings a deployment forward; see `Wakeups.wake`."""

    async def __call__(self, key: Key, *, resync: bool = False) -> bool:
        """Return False where it has to be looked at again."""
        ...


class Agenda:
    """Follows desired states and replica facts, and wakes what is due; one that is slow delays no other."""

    def __init__(
        self,
        *,
        log: EventLog,
        wake: Wake,
        disown: Disown,
        ports: FixedPorts,
        meters: Meters | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._event_log = log
        self._ports = ports
        self._wake = wake
        self._disown = disown
        self._meters = meters or Meters(registry=CollectorRegistry())
        self._clock = clock
        self._outlooks: dict[Key, Outlook] = {}
        self._looks = DueTimes[Key]()
        self._removals = DueTimes[Key]()
        self._awaiting_gateways: set[Key] = set()
        self._failing: set[Key] = set()
        self._gateways: Sequence[GatewayRecord] = ()
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
                    for key, outlook in list(self._outlooks.items()):
                        self._plan(key, outlook)
                else:
                    self._note(item)
                    self._changed.set()

    def _note(self, stored: Stored) -> None:
        key = subjects.owner_of(stored.subject)
        message = stored.readable
        outlook = self._outlooks.setdefault(key, Outlook())
        if isinstance(message, Desired):
            self._ports.note(message, stored.sequence)
            outlook.note_desired(message, stored.sequence, at=self._clock())
            # A gateway may have told of this record before the log did.
            self._look_where_applied(key, outlook)
        elif isinstance(message, ReplicaFact):
            outlook.note_replica(message)
        elif stored.subject == subjects.desired(*key):
            outlook.note_unreadable()
        self._plan(key, outlook)

    def _plan(self, key: Key, outlook: Outlook) -> None:
        """Keep when this deployment is due; one that is being looked at is planned at the end of that.

        One of which nothing is left is kept no longer: the log names every deployment that ever was.
        """
        if self._caught_up.is_set() and key not in self._awake and outlook.is_blank:
            self._forget(key, outlook)
            return
        self._looks.put(key, None if key in self._awake else outlook.due)
        self._removals.put(key, (outlook.strays_not_before or self._clock()) if outlook.strays else None)
        if outlook.awaits_gateways:
            self._awaiting_gateways.add(key)
        else:
            self._awaiting_gateways.discard(key)

    def _forget(self, key: Key, outlook: Outlook) -> None:
        self._outlooks.pop(key, None)
        self._ports.forget(key, outlook.sequence)
        self._looks.put(key, None)
        self._removals.put(key, None)
        self._awaiting_gateways.discard(key)

    def gateways_changed(self, records: Sequence[GatewayRecord]) -> None:
        """Let what waits for the gateways be looked at now, where all of them have applied its record."""
        self._gateways = records
        for key in self._awaiting_gateways:
            outlook = self._outlooks[key]
            self._look_where_applied(key, outlook)
            self._looks.put(key, None if key in self._awake else outlook.due)
        self._changed.set()

    def _look_where_applied(self, key: Key, outlook: Outlook) -> None:
        if not outlook.awaits_gateways or outlook.failures:
            return
        if self._gateways and all(
            each.has_applied("/".join(key), outlook.sequence) for each in self._gateways
        ):
            outlook.again_at, outlook.not_before = self._clock(), None

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
                    for key in [key for key, outlook in self._outlooks.items() if not outlook.is_over]:
                        self._start(group, key, resync=True)
                for key in self._looks.take(at):
                    self._start(group, key, resync=False)
                for key in self._removals.take(at):
                    self._start_disowning(group, key, at)
                due = (self._looks.first, self._removals.first, resync_at)
                await self._sleep_until(min(each for each in due if each is not None))

    def _start_disowning(self, group: asyncio.TaskGroup, key: Key, at: datetime) -> None:
        outlook = self._outlooks[key]
        outlook.strays_not_before = at + STRAYS_AGAIN_AFTER
        self._removals.put(key, outlook.strays_not_before)
        group.create_task(self._remove_strays(key, outlook.strays))

    async def _remove_strays(self, key: Key, strays: Sequence[ReplicaFact]) -> None:
        try:
            await self._disown(key, strays)
        except TransientError as error:
            _log.warning("workload.not_disowned", group=key[0], deployment=key[1], error=str(error))
        except Exception as error:  # noqa: BLE001 - what is wrong with one deployment is no other's business
            _log.error("workload.not_disowned", group=key[0], deployment=key[1], exc_info=error)

    def _start(self, group: asyncio.TaskGroup, key: Key, *, resync: bool) -> None:
        if key not in self._awake:
            self._awake.add(key)
            self._looks.put(key, None)
            self._outlooks[key].again_at = None
            group.create_task(self._look(key, resync=resync))

    async def _look(self, key: Key, *, resync: bool) -> None:
        outlook = self._outlooks[key]
        outlook.not_before = self._clock() + PATIENCE
        try:
            async with self._places:
                settled = await self._wake(key, resync=resync)
        except Exception as error:  # noqa: BLE001 - what is wrong with one deployment is no other's business
            self._failed(key, outlook, error)
        else:
            self._succeeded(key, outlook, settled=settled)
        finally:
            self._awake.discard(key)
        self._plan(key, outlook)
        self._changed.set()

    def _succeeded(self, key: Key, outlook: Outlook, *, settled: bool) -> None:
        outlook.failures = 0
        self._failing.discard(key)
        self._meters.not_judged(len(self._failing))
        if not settled:
            outlook.again_at = self._clock() + PATIENCE

    def _failed(self, key: Key, outlook: Outlook, error: Exception) -> None:
        where = {"group": key[0], "deployment": key[1]}
        if isinstance(error, TransientError) and not isinstance(error, RecordUnreadableError):
            _log.warning("deployment.not_advanced", **where, error=str(error))
            outlook.again_at = self._clock() + PATIENCE
            return
        outlook.note_failure(at=self._clock())
        _log.error("deployment.not_judged", **where, failures=outlook.failures, exc_info=error)
        self._failing.add(key)
        self._meters.not_judged(len(self._failing))

    def look_again(self, key: Key) -> None:
        """Look at this deployment once more in a moment: its engine did not take a wish."""
        outlook = self._outlooks.setdefault(key, Outlook())
        outlook.again_at = self._clock() + PATIENCE
        self._plan(key, outlook)
        self._changed.set()

    async def _sleep_until(self, when: datetime) -> None:
        seconds = (when - self._clock()).total_seconds()
        if seconds <= 0:
            # What is due has been started; another turn of the loop lets it run.
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
