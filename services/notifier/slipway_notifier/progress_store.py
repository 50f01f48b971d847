"""How far each webhook is, in the bucket `webhooks`: read once, written at a bounded pace."""

import asyncio
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from slipway_chassis.errors import ConflictError, LeaseLostError, TransientError
from slipway_chassis.heartbeats import Heartbeat, Heartbeats
from slipway_chassis.leases import Lease
from slipway_chassis.logs import get_logger
from slipway_contracts.webhooks import WebhookProgress

_log: Final = get_logger()


class ProgressStore:
    """The positions of all webhooks.

    A record names the epoch of the lease under which it was written, and is replaced only where it is as it
    was last seen: who slept through the end of its lease writes nothing over what its successor wrote.

    Args:
        records: the bucket.
        lease: who does not hold it writes nothing.
        interval: shortest time between two writes.
        lazily: what is not urgent waits so long for something that is.
    """

    def __init__(self, *, records: Heartbeats, lease: Lease, interval: timedelta, lazily: timedelta) -> None:
        self._records = records
        self._lease = lease
        self._interval = interval.total_seconds()
        self._lazily = lazily.total_seconds()
        self._pending: dict[str, WebhookProgress | None] = {}
        self._sequences: dict[str, int] = {}
        self._urgent = asyncio.Event()

    async def load(self) -> dict[str, WebhookProgress]:
        """Return what is stored, by webhook.

        Raises:
            LogUnavailableError: no answer in time.
        """
        found: dict[str, WebhookProgress] = {}
        for record in await self._records.list():
            self._sequences[record.key] = record.sequence
            try:
                found[record.key] = WebhookProgress.model_validate_json(record.data or b"")
            except ValidationError as error:
                _log.error("ignores a damaged position", webhook=record.key, because=str(error))
        return found

    def note(self, webhook: str, progress: WebhookProgress, *, urgent: bool = True) -> None:
        """Let it be written soon; what is not urgent waits for something that is."""
        self._pending[webhook] = progress
        if urgent:
            self._urgent.set()

    def forget(self, webhook: str) -> None:
        """Let the record of a webhook be removed."""
        self._pending[webhook] = None
        self._urgent.set()

    async def run(self) -> None:
        """Write until cancelled.

        Raises:
            LeaseLostError: another notifier writes now.
        """
        while True:
            try:
                async with asyncio.timeout(self._lazily):
                    await self._urgent.wait()
            except TimeoutError:
                pass
            try:
                await self.flush()
            except TransientError as error:
                _log.warning("positions are not written", because=str(error))
            await asyncio.sleep(self._interval)

    async def flush(self) -> None:
        """Write what is to be written.

        Raises:
            LeaseLostError: another notifier writes now.
            LogUnavailableError: not confirmed in time; what is not written will be with the next call.
        """
        self._urgent.clear()
        for webhook in list(self._pending):
            self._lease.check()
            progress = self._pending[webhook]
            try:
                await self._put(webhook, progress)
            except TransientError:
                self._urgent.set()
                raise
            # What was noted meanwhile waits for the next call.
            if self._pending[webhook] is progress:
                del self._pending[webhook]

    async def _put(self, webhook: str, progress: WebhookProgress | None) -> None:
        """Replace a record by a newer one, or by none.

        Raises:
            LeaseLostError: a notifier of a later epoch wrote or removed it.
            LogUnavailableError: not confirmed in time.
        """
        while True:
            expect = self._sequences.get(webhook, 0)
            try:
                if progress is None:
                    await self._records.remove(webhook, expect=expect)
                    self._sequences.pop(webhook, None)
                else:
                    body = progress.model_copy(update={"epoch": self._lease.epoch}).model_dump_json()
                    written = await self._records.beat(webhook, body.encode(), expect=expect)
                    self._sequences[webhook] = written
            except ConflictError:
                found = await self._records.last(webhook)
                if progress is None and (found is None or found.data is None):
                    return
                self._sequences[webhook] = 0 if found is None else self._not_newer(found)
            else:
                return

    def _not_newer(self, found: Heartbeat) -> int:
        """Return the sequence of a record that this notifier may replace: its own, or a predecessor's."""
        if found.data is None:
            newer = found.key in self._sequences
        else:
            newer = _epoch_of(found.data) > self._lease.epoch
        if newer:
            raise LeaseLostError(
                f"another notifier wrote the position of {found.key} after our epoch {self._lease.epoch}"
            )
        return found.sequence


def _epoch_of(data: bytes) -> int:
    try:
        return WebhookProgress.model_validate_json(data).epoch
    except ValidationError:
        return 0
