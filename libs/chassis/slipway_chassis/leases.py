"""Leases: at most one holder per name at a time, by messages that expire.

Who takes a lease over gets a greater epoch; what a holder writes elsewhere carries it, so that the late write
of a predecessor can be refused.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from slipway_contracts.topology import LEASES

from slipway_chassis.bucket import Bucket, is_removed
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ConflictError, LeaseLostError, TransientError
from slipway_chassis.logs import get_logger
from slipway_chassis.reading import Reader
from slipway_chassis.stored import Stored

_SHORTEST_TTL: Final = timedelta(seconds=1)
_LONGEST_POLL_SECONDS: Final = 0.5
_RELEASE_SECONDS: Final = 1.0
_READ_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.1
_log: Final = get_logger()


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)

    holder: str
    token: str
    epoch: int | None = None
    """None in the message that takes the lease over: that message's own sequence is the epoch."""


_UNREADABLE: Final = _Record(holder="unknown", token="")


@dataclass(frozen=True)
class Holding:
    """Who holds a lease now, as the server sees it."""

    holder: str
    epoch: int


class Lease:
    """A lease while it is held.

    Attributes:
        name: its name.
        epoch: grows with each take-over.
        lost: set when another process has it, or may have it; what it protects must then be left alone.
    """

    def __init__(self, *, name: str, epoch: int, valid_until: float) -> None:
        self.name: Final = name
        self.epoch: Final = epoch
        self.lost: Final = asyncio.Event()
        self._valid_until = valid_until

    @property
    def held(self) -> bool:
        """Whether it is still held, by the local clock too."""
        return not self.lost.is_set() and time.monotonic() < self._valid_until

    def check(self) -> None:
        """Do nothing while it is held.

        Raises:
            LeaseLostError: it is not.
        """
        if not self.held:
            raise LeaseLostError(
                f"lease {self.name} (epoch {self.epoch}) was lost; another process may have it"
            )

    def extend(self, valid_until: float) -> None:
        """Let it be valid until this monotonic time."""
        self._valid_until = valid_until

    def end(self, renewing: asyncio.Task[None]) -> None:
        """Be lost, whatever ended its renewal, unless that was cancelled."""
        if not renewing.cancelled():
            self.lost.set()

    @property
    def seconds_left(self) -> float:
        """Time until it runs out unless it is renewed."""
        return self._valid_until - time.monotonic()


class Leases:
    """The leases of one bucket.

    Args:
        connection: the process' connection.
        holder: names this process in the record.
        bucket: the bucket, provisioned with message expiry.
    """

    def __init__(self, *, connection: Connection, holder: str, bucket: str = LEASES.name) -> None:
        self._holder = holder
        self._bucket = Bucket(connection=connection, name=bucket)
        self._reader = Reader(connection=connection, stream=self._bucket.stream, timeout=_READ_SECONDS)

    @asynccontextmanager
    async def hold(self, name: str, *, ttl: timedelta) -> AsyncIterator[Lease]:
        """Wait for the lease, hold it while the body runs, give it back.

        It is renewed every third of `ttl`. The body must end when `lease.lost` is set; nothing ends it.

        Args:
            name: a subject token or several.
            ttl: how long after the holder's death others wait; at least 1 s.
        """
        if ttl < _SHORTEST_TTL:
            raise ValueError(f"the server knows no expiry below {_SHORTEST_TTL}")
        claim = _Claim(bucket=self._bucket, reader=self._reader, name=name, holder=self._holder, ttl=ttl)
        lease = await claim.take()
        _log.info("lease taken", lease=name, epoch=lease.epoch)
        renewing = asyncio.create_task(claim.renew(lease))
        renewing.add_done_callback(lease.end)
        try:
            yield lease
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            if lease.held:
                await claim.release()
            _log.info("lease ended", lease=name, epoch=lease.epoch, lost=lease.lost.is_set())

    async def current(self, name: str) -> Holding | None:
        """Return who holds the lease; None when it is free.

        Raises:
            LogUnavailableError: no answer in time.
        """
        stored = await self._reader.last(self._bucket.subject(name))
        record = _record(stored)
        if stored is None or record is None:
            return None
        return Holding(holder=record.holder, epoch=record.epoch or stored.sequence)


class _Claim:
    """One process' wish to hold one lease, and its position in the bucket once it does."""

    def __init__(self, *, bucket: Bucket, reader: Reader, name: str, holder: str, ttl: timedelta) -> None:
        self._bucket = bucket
        self._reader = reader
        self._name = name
        self._subject = bucket.subject(name)
        self._expiry = ttl
        self._ttl = ttl.total_seconds()
        self._record = _Record(holder=holder, token=secrets.token_hex(8))
        self._sequence = 0

    async def take(self) -> Lease:
        poll = min(self._ttl / 6, _LONGEST_POLL_SECONDS)
        while True:
            with suppress(TransientError):
                last = await self._reader.last(self._subject)
                held_by = _record(last)
                if held_by is None or held_by.token == self._record.token:
                    self._sequence = last.sequence if last is not None else 0
                    valid_until = await self._publish()
                    self._record = self._record.model_copy(update={"epoch": self._sequence})
                    return Lease(name=self._name, epoch=self._sequence, valid_until=valid_until)
            await asyncio.sleep(poll)

    async def renew(self, lease: Lease) -> None:
        """Renew until cancelled, or until the lease is lost."""
        await asyncio.sleep(self._ttl / 3)
        while lease.held:
            try:
                lease.extend(await self._publish(within=min(lease.seconds_left, self._ttl / 3)))
            except ConflictError:
                if not await self._is_still_ours():
                    break
            except TransientError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await asyncio.sleep(self._ttl / 3)
        _log.warning("lease lost", lease=lease.name, epoch=lease.epoch)

    async def release(self) -> None:
        """Let the next one take it at once; if that cannot be told now, it runs out."""
        with suppress(TransientError):
            await self._bucket.remove(self._name, expect=self._sequence, within=_RELEASE_SECONDS)

    async def _publish(self, *, within: float | None = None) -> float:
        """Write the record and return until when it is valid, counted from before it was sent."""
        sent = time.monotonic()
        body = self._record.model_dump_json().encode()
        self._sequence = await self._bucket.put(
            self._name, body, expect=self._sequence, ttl=self._expiry, within=within or self._ttl
        )
        return sent + self._ttl

    async def _is_still_ours(self) -> bool:
        """Adopt a renewal of ours that was stored although its confirmation was lost."""
        try:
            last = await self._reader.last(self._subject)
        except TransientError:
            return True
        record = _record(last)
        if last is None or record is None or record.token != self._record.token:
            return False
        self._sequence = last.sequence
        return True


def _record(stored: Stored | None) -> _Record | None:
    """Return the record of a live lease; an expired or given-back one leaves a marker or nothing.

    One that this release cannot read is somebody else's until it expires.
    """
    if stored is None or is_removed(stored):
        return None
    try:
        return _Record.model_validate_json(stored.data)
    except ValidationError:
        return _UNREADABLE
