"""One term of sending: follows what is configured, and keeps one worker per active webhook."""

import asyncio
import json
from contextlib import aclosing
from typing import Final, TypeGuard

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Outgoing
from slipway_chassis.feed import Feed
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.installation_events import WebhookConfigured, WebhookDisabled
from slipway_contracts.names import derived_id
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged, WebhookRemoved
from slipway_contracts.webhooks import WebhookFact, WebhookKnown, WebhookProgress, WebhookRegister

from slipway_notifier.deliverer import SOURCE, Deliverer
from slipway_notifier.meters import Meters
from slipway_notifier.pings import Pings
from slipway_notifier.progress_store import ProgressStore
from slipway_notifier.worker import Ended, Patience, Worker, begin

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
        self._removed: dict[str, str | None] = {}
        self._unreadable: set[str] = set()
        self._pings = Pings(log=log, deliverer=deliverer, source=SOURCE, reached=self._hurry)
        self._progress: dict[str, WebhookProgress] = {}
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        meters.watch(lambda: [worker.progress for worker, _ in self._workers.values()])

    async def run(self) -> None:
        """Send until cancelled; nothing is sent any more when this returns."""
        try:
            self._progress = await self._store.load()
            await self._follow()
        finally:
            await self._pings.stop()
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
                if caught_up:
                    self._pings.begin(self._register)

    def _take(self, stored: Stored) -> str | None:
        """Take a message, and return the webhook for which it changed something."""
        message = stored.readable
        if message is None:
            return self._take_unreadable(stored)
        at = stored.envelope.time
        match message:
            case WebhookConfigured():
                self._unreadable.discard(message.webhook)
                self._register.take(message, sequence=stored.sequence, at=at)
                self._note_removal(message, was_known=True)
                return message.webhook
            case WebhookDisabled() | WebhookRemoved() if message.webhook not in self._unreadable:
                was_known = self._register.get(message.webhook) is not None
                self._register.take(message, sequence=stored.sequence, at=at)
                self._note_removal(message, was_known=was_known)
                return message.webhook
            case WebhookPinged():
                self._pings.take(message, stored)
            case WebhookAnswered():
                self._pings.settle(message)
            case _:
                pass
        return None

    def _note_removal(self, message: WebhookFact, *, was_known: bool) -> None:
        """Remember which webhooks were removed: only their positions may be forgotten."""
        if self._register.get(message.webhook) is not None:
            self._removed.pop(message.webhook, None)
        elif was_known:
            self._removed[message.webhook] = message.group

    def _take_unreadable(self, stored: Stored) -> str | None:
        """Let a webhook wait whose newest configuration only a later release can read; its position stays."""
        webhook = _webhook_of(stored)
        if webhook is not None:
            _log.warning("a webhook waits for a later release", sequence=stored.sequence, webhook=webhook)
            self._unreadable.add(webhook)
        return webhook

    async def _adjust(self, webhook: str) -> None:
        """Let a worker run for this webhook if it is active, as it is configured now, and no other."""
        known = self._register.get(webhook)
        running = self._workers.get(webhook)
        if running is not None:
            worker, task = running
            if self._is_sent_to(known) and known.revision == worker.known.revision:
                return
            task.cancel()
            await asyncio.wait({task})
            self._progress[webhook] = worker.progress
            del self._workers[webhook]
        if webhook in self._removed:
            await self._forget(webhook, self._removed[webhook])
        elif self._is_sent_to(known):
            await self._start(known)

    def _is_sent_to(self, known: WebhookKnown | None) -> TypeGuard[WebhookKnown]:
        return known is not None and known.active and known.id not in self._unreadable

    async def _forget(self, webhook: str, group: str | None) -> None:
        """Forget a webhook that was removed; its position goes last, so that a crash lets it be repeated."""
        await self._deliverer.forget(webhook, group)
        self._progress.pop(webhook, None)
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
        self._workers[known.id] = (worker, asyncio.create_task(self._work(worker)))

    def _hurry(self, webhook: str) -> None:
        """Let a webhook that waits after failures be tried now: its receiver took a test."""
        running = self._workers.get(webhook)
        if running is not None:
            worker, _ = running
            worker.hurry()

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

    async def _give_up(self, event: Ended) -> None:
        identity = derived_id(event.type.removesuffix(".v1"), event.webhook, event.revision)
        envelope = Envelope(
            id=identity,
            type=event.type,
            source=SOURCE,
            subject=f"{event.group}/{event.webhook}" if event.group else event.webhook,
            time=now(),
            correlation_id=identity,
        )
        await self._log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))
        done = "removed" if isinstance(event, WebhookRemoved) else "disabled"
        _log.warning(f"webhook is {done}", webhook=event.webhook, reason=event.reason)


def _webhook_of(stored: Stored) -> str | None:
    """Return the webhook of a message whose type is not readable here, if it names one where all do."""
    try:
        named = json.loads(stored.data)["webhook"]
    except (ValueError, TypeError, KeyError):
        return None
    is_configuration = stored.subject.endswith(".webhook.configured")
    return named if is_configuration and isinstance(named, str) else None
