"""Says when no deployer was there: all of them beat on one record, and who finds the last beat old notes it.

It decides nothing; what an absence means for deadlines is for `postponing` to say.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from slipway_chassis.errors import ConflictError, TransientError
from slipway_chassis.heartbeats import Heartbeat, Heartbeats
from slipway_chassis.logs import get_logger
from slipway_contracts.envelope import now

from slipway_deployer.desired.postponing import Absence

UNATTENDED: Final = timedelta(seconds=15)
"""A gap between two beats from which on no deployer was there."""
BEAT_EVERY: Final = timedelta(seconds=5)
_KEY: Final = "deployers"
_MOST_KEPT: Final = 20
"""Absences: the first look at a deployment after one writes later deadlines, so that few are ever needed."""
_log = get_logger()


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    absences: tuple[Absence, ...] = ()


class Attendance:
    """The beats of all deployers of an installation, and the absences between them.

    A deployer that starts beside another, or soon after one, finds a young beat and notes nothing. One that
    was suspended, or could not reach the log, notes the time as an absence when nobody else was there.

    Args:
        beats: the records of the bucket that holds the beats.
        clock: the time, as decisions have it.
    """

    def __init__(self, *, beats: Heartbeats, clock: Callable[[], datetime] = now) -> None:
        self._beats = beats
        self._clock = clock
        self._seen: _Record | None = None

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            with suppress(TransientError):
                await self.beat()
            await asyncio.sleep(BEAT_EVERY.total_seconds())

    async def absences(self) -> tuple[Absence, ...]:
        """Return the last absences, up to this moment, oldest first.

        Raises:
            TransientError: the log did not answer.
        """
        if self._seen is None or self._clock() - self._seen.at >= UNATTENDED:
            return await self.beat()
        return self._seen.absences

    async def beat(self) -> tuple[Absence, ...]:
        """Say that a deployer is here, note since when none was, and return the last absences.

        Raises:
            TransientError: the log did not answer.
        """
        while True:
            last = await self._beats.last(_KEY)
            record = _after(_readable(last), self._clock())
            try:
                await self._beats.beat(
                    _KEY, record.model_dump_json().encode(), expect=last.sequence if last else 0
                )
            except ConflictError:
                continue
            self._seen = record
            return record.absences


def _after(last: _Record | None, at: datetime) -> _Record:
    """Return the record of a beat; its time never goes back, or a slow clock would make another's absence."""
    if last is None:
        return _Record(at=at, absences=(Absence(since=datetime.min.replace(tzinfo=UTC), until=at),))
    if at - last.at < UNATTENDED:
        return last.model_copy(update={"at": max(at, last.at)})
    absences = (*last.absences, Absence(since=last.at, until=at))
    return _Record(at=at, absences=absences[-_MOST_KEPT:])


def _readable(beat: Heartbeat | None) -> _Record | None:
    if beat is None or beat.data is None:
        return None
    try:
        return _Record.model_validate_json(beat.data)
    except ValidationError as error:
        _log.warning("attendance.unreadable", error=str(error))
        return None
