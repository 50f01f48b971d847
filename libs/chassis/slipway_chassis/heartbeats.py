"""Heartbeat records: each process writes its own key again and again, others list and watch them.

Whether a record is fresh is decided by the reader, from its time; what a record says is the caller's.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject
from slipway_chassis.jetstream_api import publish
from slipway_chassis.stored import Stored

_WITHIN: Final = 5.0
_REMOVED: Final = frozenset({"KV-Operation", "Nats-Marker-Reason"})


@dataclass(frozen=True)
class Heartbeat:
    """A record.

    Attributes:
        key: whose it is.
        data: what it says; None: it was removed or expired.
        sequence: grows with every write in the bucket.
        time: when the server stored it.
    """

    key: str
    data: bytes | None
    sequence: int
    time: datetime

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
        self._connection = connection
        self._prefix = f"$KV.{bucket}."
        self._records = EventLog(connection=connection, stream=f"KV_{bucket}")

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
        headers = {} if ttl is None else {"Nats-TTL": f"{ttl // timedelta(milliseconds=1)}ms"}
        return await self._put(key, data, headers | _expecting(expect))

    async def remove(self, key: str, *, expect: int | None = None) -> None:
        """Remove a record; removing it again changes nothing.

        Raises:
            ConflictError: the last write has another sequence than `expect`.
            LogUnavailableError: not confirmed in time.
        """
        await self._put(key, b"", {"KV-Operation": "DEL"} | _expecting(expect))

    async def last(self, key: str) -> Heartbeat | None:
        """Return a record as its last write left it, also one that was removed; None: there never was one.

        Raises:
            LogUnavailableError: no answer in time.
        """
        stored = await self._records.last(self._prefix + key)
        return None if stored is None else self._heartbeat(stored)

    async def list(self) -> list[Heartbeat]:
        """Return all records, ordered by their last write."""
        stored = await self._records.last_per_subject(f"{self._prefix}>")
        return [beat for beat in map(self._heartbeat, stored) if beat.data is not None]

    async def watch(self) -> AsyncGenerator[Heartbeat | CaughtUp]:
        """Return each record, then `CaughtUp`, then each change, forever; see `EventLog.follow`.

        A removed record comes with `data` None; one that the server lets expire is only reported by a bucket
        that keeps markers.
        """
        async with aclosing(self._records.follow(f"{self._prefix}>", start=LastPerSubject())) as items:
            async for item in items:
                yield item if isinstance(item, CaughtUp) else self._heartbeat(item)

    async def _put(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        answer = await publish(self._connection, self._prefix + key, data, headers=headers, within=_WITHIN)
        return int(answer["seq"])

    def _heartbeat(self, stored: Stored) -> Heartbeat:
        removed = bool(stored.headers.keys() & _REMOVED)
        return Heartbeat(
            key=stored.subject.removeprefix(self._prefix),
            data=None if removed else stored.data,
            sequence=stored.sequence,
            time=stored.time,
        )


def _expecting(sequence: int | None) -> dict[str, str]:
    return {} if sequence is None else {"Nats-Expected-Last-Subject-Sequence": str(sequence)}
