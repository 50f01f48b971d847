"""Heartbeat records: each process writes its own key again and again, others list and watch them.

Whether a record is fresh is decided by the reader, from its time; what a record says is the caller's.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway_chassis.bucket import Bucket, is_removed
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject
from slipway_chassis.stored import Stored


@dataclass(frozen=True)
class Heartbeat:
    """A record.

    Attributes:
        key: whose it is.
        data: what it says; None: it was removed or expired.
        sequence: grows with every write in the bucket.
        time: when the server stored it.
        note: what was said when it was removed.
    """

    key: str
    data: bytes | None
    sequence: int
    time: datetime
    note: bytes = b""

    def age(self, now: datetime) -> timedelta:
        """Return how old the record is; only as good as the two machines' clocks agree."""
        return now - self.time


class Heartbeats:
    """The records of one bucket, as `gateways`.

    Args:
        connection: the process' connection.
        bucket: name of the bucket.
    """

    def __init__(self, *, connection: Connection, bucket: str) -> None:
        self._bucket = Bucket(connection=connection, name=bucket)
        self._records = EventLog(connection=connection, stream=self._bucket.stream)

    async def beat(
        self, key: str, data: bytes, *, ttl: timedelta | None = None, expect: int | None = None
    ) -> int:
        """Write this process' record and return its sequence.

        Args:
            key: a subject token or several.
            data: what it says.
            ttl: let the server remove it after this time, at least 1 s, in a bucket with message expiry.
            expect: only if this is the sequence of its last write, 0: of none; None: in any case.

        Raises:
            ConflictError: `expect` does not hold.
            LogUnavailableError: not confirmed in time.
        """
        return await self._bucket.put(key, data, ttl=ttl, expect=expect)

    async def remove(self, key: str, *, expect: int | None = None, note: bytes = b"") -> None:
        """Remove a record; removing it again changes nothing.

        Args:
            key: a subject token or several.
            expect: only if this is the sequence of its last write.
            note: kept with the removal until the next write, for whoever repeats it.

        Raises:
            ConflictError: the last write has another sequence than `expect`.
            LogUnavailableError: not confirmed in time; it may be removed or not.
        """
        await self._bucket.remove(key, note=note, expect=expect)

    async def last(self, key: str) -> Heartbeat | None:
        """Return a record as its last write left it, also one that was removed; None: there never was one.

        Raises:
            LogUnavailableError: no answer in time.
        """
        stored = await self._records.last(self._bucket.subject(key))
        return None if stored is None else self._heartbeat(stored)

    async def list(self) -> list[Heartbeat]:
        """Return all records, ordered by their last write."""
        stored = await self._records.last_per_subject(self._bucket.subject(">"))
        return [beat for beat in map(self._heartbeat, stored) if beat.data is not None]

    async def watch(self) -> AsyncGenerator[Heartbeat | CaughtUp]:
        """Return each record, then `CaughtUp`, then each change, forever; see `EventLog.follow`.

        A removed record comes with `data` None; one that the server lets expire is only reported by a bucket
        that keeps markers.
        """
        async with aclosing(self._records.follow(self._bucket.subject(">"), start=LastPerSubject())) as items:
            async for item in items:
                yield item if isinstance(item, CaughtUp) else self._heartbeat(item)

    def _heartbeat(self, stored: Stored) -> Heartbeat:
        removed = is_removed(stored)
        return Heartbeat(
            key=self._bucket.key(stored.subject),
            data=None if removed else stored.data,
            sequence=stored.sequence,
            time=stored.time,
            note=stored.data if removed else b"",
        )
