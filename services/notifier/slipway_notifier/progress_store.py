"""How far each webhook is, in the bucket `webhooks`: read once, written at a bounded pace."""

import asyncio
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from slipway_chassis.errors import TransientError
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.leases import Lease
from slipway_chassis.logs import get_logger
from slipway_contracts.webhooks import WebhookProgress

_LAZY_SECONDS: Final = 30.0
_log: Final = get_logger()


class ProgressStore:
    """The positions of all webhooks.

    Args:
        records: the bucket.
        lease: who does not hold it writes nothing.
        interval: shortest time between two writes.
    """

    def __init__(self, *, records: Heartbeats, lease: Lease, interval: timedelta) -> None:
        self._records = records
        self._lease = lease
        self._interval = interval.total_seconds()
        self._pending: dict[str, WebhookProgress | None] = {}
        self._urgent = asyncio.Event()

    async def load(self) -> dict[str, WebhookProgress]:
        """Return what is stored, by webhook.

        Raises:
            LogUnavailableError: no answer in time.
        """
        found: dict[str, WebhookProgress] = {}
        for record in await self._records.list():
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
                async with asyncio.timeout(_LAZY_SECONDS):
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
            progress = self._pending.pop(webhook)
            try:
                if progress is None:
                    await self._records.remove(webhook)
                else:
                    await self._records.beat(webhook, progress.model_dump_json().encode())
            except TransientError:
                self._pending.setdefault(webhook, progress)
                self._urgent.set()
                raise
