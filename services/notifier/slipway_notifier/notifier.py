"""One term of sending: follows what is configured, and keeps one worker per active webhook."""

import asyncio
from contextlib import aclosing
from typing import Final

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError, now
from slipway_contracts.installation_events import WebhookConfigured, WebhookDisabled
from slipway_contracts.names import derived_id
from slipway_contracts.webhooks import WebhookKnown, WebhookProgress, WebhookRegister

from slipway_notifier.deliverer import Deliverer
from slipway_notifier.feed import Feed
from slipway_notifier.meters import Meters
from slipway_notifier.progress_store import ProgressStore
from slipway_notifier.worker import Patience, Worker, begin

SOURCE: Final = "/slipway/notifier"
_PAUSE_SECONDS: Final = 5.0
_log: Final = get_logger()


class Notifier:
    """Sends what happens to every active webhook, while it holds the lease.

    Args:
        log: what is configured, and where it says what it gave up.
        feed: what happens; it runs once there is a webhook, which `needed` says.
        store: positions; it runs by itself.
        deliverer: tries.
        patience: how long.
        meters: told how many there are.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        feed: Feed,
        store: ProgressStore,
        deliverer: Deliverer,
        patience: Patience,
        meters: Meters,
    ) -> None:
        self._log = log
        self._feed = feed
        self._store = store
        self._deliverer = deliverer
        self._patience = patience
        self.needed: Final = asyncio.Event()
        self._register = WebhookRegister()
        self._progress: dict[str, WebhookProgress] = {}
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        meters.watch(lambda: [worker.progress for worker, _ in self._workers.values()])

    async def run(self) -> None:
        """Send until cancelled; nothing is sent any more when this returns."""
        try:
            self._progress = await self._store.load()
            await self._follow()
        finally:
            tasks = [task for _, task in self._workers.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._workers.clear()

    async def _follow(self) -> None:
        caught_up = False
        async with aclosing(self._log.follow(subjects.WEBHOOK_EVENTS, start=After(0))) as items:
            async for item in items:
                match item:
                    case CaughtUp():
                        caught_up = True
                        for webhook in {*self._progress, *(known.id for known in self._register.all())}:
                            await self._adjust(webhook)
                    case Stored():
                        changed = self._take(item)
                        if caught_up and changed is not None:
                            await self._adjust(changed)

    def _take(self, stored: Stored) -> str | None:
        try:
            message, at = stored.message, stored.envelope.time
        except (UnknownMessageError, MalformedEnvelopeError) as error:
            _log.warning("ignores a message", sequence=stored.sequence, because=str(error))
            return None
        if not isinstance(message, WebhookConfigured | WebhookDisabled):
            return None
        self._register.take(message, sequence=stored.sequence, at=at)
        return message.webhook

    async def _adjust(self, webhook: str) -> None:
        """Let a worker run for this webhook if it is active, as it is configured now, and no other."""
        known = self._register.get(webhook)
        running = self._workers.get(webhook)
        if running is not None:
            worker, task = running
            if known is not None and known.active and known.revision == worker.known.revision:
                return
            task.cancel()
            await asyncio.wait({task})
            self._progress[webhook] = worker.progress
            del self._workers[webhook]
        if known is None:
            self._forget(webhook)
        elif known.active:
            await self._start(known)

    def _forget(self, webhook: str) -> None:
        self._progress.pop(webhook, None)
        self._deliverer.forget(webhook)
        self._store.forget(webhook)

    async def _start(self, known: WebhookKnown) -> None:
        self.needed.set()
        await self._feed.started.wait()
        progress = begin(known, self._progress.get(known.id), end=max(self._feed.head, known.revision))
        worker = Worker(
            known=known,
            progress=progress,
            feed=self._feed,
            store=self._store,
            deliverer=self._deliverer,
            patience=self._patience,
        )
        self._store.note(known.id, progress)
        self._workers[known.id] = (worker, asyncio.create_task(self._work(worker)))

    async def _work(self, worker: Worker) -> None:
        """Let one worker run to its end; whatever happens to it stays with it."""
        while True:
            try:
                await self._give_up(await worker.run())
            except TransientError as error:
                _log.warning("webhook waits for the log", webhook=worker.known.id, because=str(error))
            except Exception:  # noqa: BLE001 - one webhook's trouble must not end the others
                _log.exception("webhook stumbled", webhook=worker.known.id)
            else:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _give_up(self, event: WebhookDisabled) -> None:
        identity = derived_id("webhook.disabled", event.webhook, event.revision)
        envelope = Envelope(
            id=identity,
            type=event.type,
            source=SOURCE,
            subject=f"{event.group}/{event.webhook}" if event.group else event.webhook,
            time=now(),
            correlation_id=identity,
        )
        await self._log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))
        _log.warning("webhook is disabled", webhook=event.webhook, reason=event.reason)
