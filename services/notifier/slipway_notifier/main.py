"""The notifier's process: one term of sending after another, each under the one lease."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from slipway_chassis.errors import LeaseLostError, TransientError
from slipway_chassis.feed import Feed
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.leases import Lease, Leases
from slipway_chassis.logs import get_logger
from slipway_chassis.process import Service, run_service
from slipway_chassis.secrets import Secrets, Vault
from slipway_contracts.topology import WEBHOOK_SECRETS, WEBHOOKS

from slipway_notifier.deliverer import Deliverer
from slipway_notifier.meters import Meters
from slipway_notifier.notifier import Notifier
from slipway_notifier.progress_store import ProgressStore
from slipway_notifier.sender import Sender
from slipway_notifier.settings import NotifierSettings
from slipway_notifier.worker import Patience

NAME: Final = "notifier"
_log: Final = get_logger()


async def notify(service: Service[NotifierSettings]) -> None:
    """Send whenever the lease is to be had, until the process is told to stop."""
    settings = service.settings
    meters = Meters(registry=service.metrics.registry)
    secrets = Secrets(connection=service.connection, bucket=WEBHOOK_SECRETS.name)
    deliverer = Deliverer(
        vault=Vault(service=NAME, key_file=settings.secret_key_file, secrets=secrets),
        secrets=secrets,
        sender=Sender(timeout=settings.webhook_timeout, private_addresses=settings.webhook_private_addresses),
        telemetry=service.telemetry,
        meters=meters,
    )
    await _first_of(_terms(service, deliverer, meters), service.stopping.wait())


async def _terms(service: Service[NotifierSettings], deliverer: Deliverer, meters: Meters) -> None:
    leases = Leases(connection=service.connection, holder=service.settings.service_instance)
    while True:
        async with leases.hold(NAME, ttl=service.settings.lease_ttl) as lease:
            try:
                await _term(service, lease, deliverer, meters)
            except (LeaseLostError, TransientError) as error:
                # The next term begins anew, from what the log and the positions say then.
                _log.warning("term ended", epoch=lease.epoch, because=str(error))


async def _term(
    service: Service[NotifierSettings], lease: Lease, deliverer: Deliverer, meters: Meters
) -> None:
    """Send until the lease is lost."""
    settings = service.settings
    feed = Feed(log=service.log, events=settings.feed_events, size=settings.feed_bytes)
    store = ProgressStore(
        records=Heartbeats(connection=service.connection, bucket=WEBHOOKS.name),
        lease=lease,
        interval=settings.position_interval,
        lazily=settings.skipped_interval,
    )
    notifier = Notifier(
        log=service.log,
        feed=feed,
        store=store,
        deliverer=deliverer,
        patience=Patience(backoff=settings.webhook_backoff, limit=settings.webhook_patience),
        meters=meters,
    )
    try:
        await _first_of(notifier.run(), _feed(feed, notifier.needed), store.run(), lease.lost.wait())
    finally:
        with suppress(LeaseLostError, TransientError):
            await store.flush()


async def _feed(feed: Feed, needed: asyncio.Event) -> None:
    """Follow the whole log from when somebody wants it; an installation without webhooks has no such cost."""
    await needed.wait()
    await feed.run()


async def _first_of(*bodies: Coroutine[Any, Any, object]) -> None:
    """Run all until one ends; the others are cancelled, and have ended when this returns or raises."""
    tasks = [asyncio.ensure_future(body) for body in bodies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


def main() -> None:
    """Run the notifier."""
    run_service(NAME, NotifierSettings, notify)


if __name__ == "__main__":
    main()
