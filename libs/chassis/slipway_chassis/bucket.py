"""Writes to a key-value bucket, as plain messages on its subjects; who reads one reads its stream.

Not the client's own key-value calls: they wait for a timeout after a dropped connection, and write over an
expired record late or not at all. Source of subjects and headers: NATS ADR-8 (key-value) and ADR-43 (expiry).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.jetstream_api import publish
from slipway_chassis.stored import Stored

_MARKERS: Final = frozenset({"KV-Operation", "Nats-Marker-Reason"})


class Bucket:
    """One bucket.

    Every write raises ConflictError where it expects another sequence than that of the key's last write,
    LogFullError where there is no room, and LogUnavailableError where it is not confirmed in time: it may be
    stored or not.

    Args:
        connection: the process' connection.
        name: its name.
        within: seconds until an unconfirmed write is given up, unless the call says otherwise.
    """

    def __init__(self, *, connection: Connection, name: str, within: float = 5.0) -> None:
        self.stream: Final = f"KV_{name}"
        self._connection = connection
        self._prefix = f"$KV.{name}."
        self._within = within

    def subject(self, key: str) -> str:
        """Return the subject of a key, a subject token or several; wildcards are allowed."""
        return f"{self._prefix}{key}"

    def key(self, subject: str) -> str:
        """Return the key of a subject."""
        return subject.removeprefix(self._prefix)

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        expect: int | None = None,
        ttl: timedelta | None = None,
        within: float | None = None,
    ) -> int:
        """Write a record and return its sequence.

        Args:
            key: a subject token or several.
            data: what it says.
            expect: only if this is the sequence of the last write, 0: of none; None: in any case.
            ttl: let the server remove it after this time, at least 1 s, in a bucket with message expiry.
            within: as of the bucket.
        """
        expiry = {} if ttl is None else {"Nats-TTL": f"{ttl // timedelta(milliseconds=1)}ms"}
        return await self._write(key, data, expiry, expect, within)

    async def remove(
        self, key: str, *, note: bytes = b"", expect: int | None = None, within: float | None = None
    ) -> int:
        """Remove a record, and return the sequence of what says so; `note` is kept until the next write."""
        return await self._write(key, note, {"KV-Operation": "DEL"}, expect, within)

    async def purge(self, key: str) -> int:
        """Remove a record and all that the bucket may have kept of earlier ones."""
        return await self._write(key, b"", {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}, None, None)

    async def _write(
        self, key: str, data: bytes, headers: Mapping[str, str], expect: int | None, within: float | None
    ) -> int:
        expected = {} if expect is None else {"Nats-Expected-Last-Subject-Sequence": str(expect)}
        answer = await publish(
            self._connection,
            self.subject(key),
            data,
            headers={**headers, **expected},
            within=self._within if within is None else within,
        )
        return int(answer["seq"])


def is_removed(stored: Stored) -> bool:
    """Say whether the last write of a key ended its record: by removing it, or in the server's own name."""
    return bool(stored.headers.keys() & _MARKERS)
