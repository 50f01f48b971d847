"""Says when a target has gone unwatched for too long, and when it is watched again."""

import asyncio
import time
from datetime import timedelta
from typing import Final

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.leases import Leases
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.installation_events import TargetAnnounced, TargetFound, TargetLost
from slipway_contracts.names import derived_id

from slipway_deployer.source import SOURCE

_LOOK_EVERY_SECONDS: Final = 3.0
_log = get_logger()


class TargetWatch:
    """Watches the lease that the monitor of one target holds.

    Every deployer of the target does this; their events have the same ids and are stored once.
    """

    def __init__(self, *, log: EventLog, leases: Leases, target: str, lost_after: timedelta) -> None:
        self._event_log = log
        self._leases = leases
        self._target = target
        self._lost_after = lost_after.total_seconds()
        self._epoch = 0
        self._lost = False

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._remember()
        watched_at = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            try:
                holding = await self._leases.current(f"target.{self._target}")
                if holding is not None:
                    watched_at, self._epoch = time.monotonic(), holding.epoch
                    await self._found()
                elif time.monotonic() - watched_at >= self._lost_after:
                    await self._say_lost()
            except TransientError:
                # Without the log nobody can know: the time does not count against the monitor.
                watched_at = time.monotonic()

    async def _remember(self) -> None:
        """Go on from what was said before this process began; waits until the log tells."""
        while True:
            try:
                return await self._recall()
            except TransientError as error:
                _log.warning("target.not_known_yet", target=self._target, error=str(error))
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _recall(self) -> None:
        async for stored in self._event_log.read(subjects.TARGET_EVENTS, after=0):
            message = stored.readable
            if (
                isinstance(message, TargetAnnounced | TargetLost | TargetFound)
                and message.target == self._target
            ):
                self._lost = isinstance(message, TargetLost)
                if isinstance(message, TargetAnnounced):
                    self._epoch = max(self._epoch, message.epoch)

    async def _say_lost(self) -> None:
        if not self._lost:
            await self._say(TargetLost(target=self._target, since=now()))
            self._lost = True

    async def _found(self) -> None:
        if self._lost:
            await self._say(TargetFound(target=self._target))
            self._lost = False

    async def _say(self, event: TargetLost | TargetFound) -> None:
        envelope = Envelope(
            id=derived_id("target", self._target, self._epoch, event.type),
            type=event.type,
            source=SOURCE,
            subject=self._target,
            time=now(),
        )
        await self._event_log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))
        _log.warning(event.type, target=self._target)
