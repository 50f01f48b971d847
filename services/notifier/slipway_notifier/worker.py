"""Sends to one webhook: in the order of the log, each event until it is taken, with its own waits.

Between attempts it holds no event, only its position: what follows is read again when it is due.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import Final, Protocol

from slipway_chassis.feed import Batch, Entry, Feed, Gap, Interest
from slipway_chassis.logs import get_logger
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookConfigured, WebhookDisabled
from slipway_contracts.webhook_events import WebhookRemoved
from slipway_contracts.webhooks import WebhookKnown, WebhookProgress

from slipway_notifier.outcome import Delivered, Failed, Gone, Meaningless, Outcome
from slipway_notifier.progress_store import ProgressStore

_IDLE_SECONDS: Final = 2.0
_LONGEST_PROBLEM: Final = 500
_JITTER: Final = 0.2
_LONGEST_HINDERED: Final = timedelta(minutes=5)
_log: Final = get_logger()
_random: Final = SystemRandom()
Ended = WebhookDisabled | WebhookRemoved
"""Why nothing more is sent to a webhook."""


class Delivers(Protocol):
    """One attempt; `Deliverer`, or a test's own."""

    async def look(self, webhook: WebhookConfigured) -> Failed | None:
        """Say why nothing could be sent, without sending anything."""
        ...

    async def deliver(self, webhook: WebhookConfigured, entry: Entry) -> Outcome:
        """Try once."""
        ...

    async def tell_gap(self, webhook: WebhookConfigured, gap: Gap) -> Outcome:
        """Try once to tell of what is missing."""
        ...


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long is waited between attempts, and in all.

    Attributes:
        backoff: one wait after each failure; the last one is repeated.
        limit: a webhook that has taken nothing for so long is given up.
    """

    backoff: Sequence[timedelta]
    limit: timedelta

    @property
    def longest(self) -> timedelta:
        """The longest wait that is this notifier's own choice."""
        return max(self.backoff) * (1 + _JITTER)

    def wait_after(self, failures: int, *, random: Random = _random) -> timedelta:
        """Return the wait after so many failures, at least one; a fifth longer or shorter, by chance."""
        wait = self.backoff[min(failures, len(self.backoff)) - 1]
        return wait * random.uniform(1 - _JITTER, 1 + _JITTER)


def begin(known: WebhookKnown, stored: WebhookProgress | None, *, end: int) -> WebhookProgress:
    """Return where delivery goes on, of what was stored and what is configured.

    A new configuration is tried at once, whatever became of the one before; so is what may have failed by our
    own fault, since this notifier may be allowed or able to do what the one before was not. A log that ends
    before the position was replaced: delivery goes on with what is new in it. One that looks new, and has a
    position, was configured before by what this release could not read.
    """
    fresh = WebhookProgress(begun=known.begun, revision=known.revision, position=known.start)
    looks_new = known.begun == known.revision and known.configured.after is None
    if stored is None or (stored.begun != known.begun and not looks_new):
        progress = fresh
    elif stored.revision != known.revision:
        kept = {"position": stored.position, "delivered_at": stored.delivered_at}
        progress = fresh.model_copy(update=kept)
    elif stored.hindered and stored.failed_at is None:
        progress = stored.model_copy(update={"next_attempt_at": None})
    else:
        progress = stored
    return progress.model_copy(update={"position": min(progress.position, end)})


class Worker:
    """Sends to one webhook as it is configured.

    Args:
        known: the webhook.
        progress: where delivery goes on.
        feed: what happens.
        store: is told of every step.
        deliverer: tries.
        patience: how long.
    """

    def __init__(
        self,
        *,
        known: WebhookKnown,
        progress: WebhookProgress,
        feed: Feed,
        store: ProgressStore,
        deliverer: Delivers,
        patience: Patience,
    ) -> None:
        self.known: Final = known
        self._progress = progress
        self._feed = feed
        self._store = store
        self._deliverer = deliverer
        self._patience = patience
        wanted = known.configured
        self._interest = Interest(group=wanted.group, deployment=wanted.deployment, types=wanted.types)
        self._called = asyncio.Event()

    @property
    def progress(self) -> WebhookProgress:
        """How far it is."""
        return self._progress

    async def run(self) -> Ended:
        """Send until nothing may be sent any more, and return why."""
        await self._look()
        while True:
            await self._until_due()
            batch = await self._next()
            ended = await self._tell_gap(batch.gap) if batch.gap is not None else await self._deliver(batch)
            if ended is not None:
                return ended

    def hurry(self) -> None:
        """Try again now, if it waits to: the receiver was just reached."""
        self._called.set()

    async def _look(self) -> None:
        """Note at once whether anything may be sent there, also while there is nothing to send."""
        if self._progress.forbidden is not False:
            failed = await self._deliverer.look(self.known.configured)
            seen: dict[str, object] = {"forbidden": failed is not None and failed.kind == "forbidden"}
            if not self._progress.failures:
                seen["problem"] = None if failed is None else failed.problem
            self._progress = self._progress.model_copy(update=seen)
        self._store.note(self.known.id, self._progress)

    async def _until_due(self) -> None:
        due = self._progress.next_attempt_at
        if due is not None:
            self._called.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout((due - now()).total_seconds()):
                    await self._called.wait()

    async def _next(self) -> Batch:
        after = self._progress.position
        async with aclosing(self._feed.batches(self._interest, after=after, within=_IDLE_SECONDS)) as batches:
            return await anext(batches)

    async def _tell_gap(self, gap: Gap) -> Ended | None:
        _log.warning(
            "webhook misses what the log no longer has", webhook=self.known.id, first=gap.first, last=gap.last
        )
        return self._settle(await self._deliverer.tell_gap(self.known.configured, gap), gap.last)

    async def _deliver(self, batch: Batch) -> Ended | None:
        """Deliver a batch until one of its entries must wait, and return why it is the last one, if it is."""
        for entry in batch.entries:
            outcome = await self._deliverer.deliver(self.known.configured, entry)
            ended = self._settle(outcome, entry.sequence)
            if ended is not None or self._progress.next_attempt_at is not None:
                return ended
        self._skip_to(batch.position)
        return None

    def _settle(self, outcome: Outcome, position: int) -> Ended | None:
        match outcome:
            case Delivered():
                self._succeed(position)
                return None
            case Meaningless():
                self._skip_to(position)
                return None
            case Gone():
                return self._remove()
            case Failed():
                return self._fail(outcome)

    def _succeed(self, position: int) -> None:
        if self._progress.problem is not None:
            _log.info("webhook works again", webhook=self.known.id, failures=self._progress.failures)
        self._progress = WebhookProgress(
            begun=self.known.begun,
            revision=self.known.revision,
            position=position,
            delivered_at=now(),
            forbidden=False,
        )
        self._store.note(self.known.id, self._progress)

    def _skip_to(self, position: int) -> None:
        if position > self._progress.position:
            self._progress = self._progress.model_copy(update={"position": position})
            self._store.note(self.known.id, self._progress, urgent=False)

    def _fail(self, failed: Failed) -> WebhookDisabled | None:
        at, problem = now(), failed.problem[:_LONGEST_PROBLEM]
        if failed.fault == "receiver":
            wait, changes = self._count(at, failed.retry_after or timedelta(0))
        else:
            hindered = self._progress.hindered + 1
            wait = min(self._patience.wait_after(hindered), _LONGEST_HINDERED)
            changes = {"hindered": hindered, "failed_at": None}
        forbidden = failed.kind == "forbidden"
        changes |= {"next_attempt_at": at + wait, "problem": problem, "forbidden": forbidden}
        self._progress = self._progress.model_copy(update=changes)
        self._store.note(self.known.id, self._progress)
        _log.warning(
            "webhook takes nothing",
            webhook=self.known.id,
            failures=self._progress.failures,
            hindered=self._progress.hindered,
            problem=problem,
            again_in_seconds=round(wait.total_seconds(), 1),
        )
        if self._progress.failed_seconds >= self._patience.limit.total_seconds():
            return self._disable(problem)
        return None

    def _count(self, at: datetime, retry_after: timedelta) -> tuple[timedelta, dict[str, object]]:
        """Return how long is waited after a failure of the receiver's, and what is noted of it.

        It has failed from the attempt before until now, if that failed by its fault too; for as long as the
        notifier was late to try again, nobody knows.
        """
        before, failures = self._progress, self._progress.failures + 1
        failed = timedelta(0)
        if before.failed_at is not None and before.next_attempt_at is not None:
            planned = before.next_attempt_at - before.failed_at
            failed = max(min(at - before.failed_at, planned, self._patience.longest), timedelta(0))
        return max(self._patience.wait_after(failures), retry_after), {
            "failures": failures,
            "failing_since": before.failing_since or at,
            "failed_at": at,
            "failed_seconds": before.failed_seconds + failed.total_seconds(),
        }

    def _remove(self) -> WebhookRemoved:
        return WebhookRemoved(
            group=self.known.configured.group,
            webhook=self.known.id,
            revision=self.known.revision,
            message="the receiver answered 410 Gone",
            position=self._progress.position,
        )

    def _disable(self, message: str) -> WebhookDisabled:
        self._progress = self._progress.model_copy(update={"next_attempt_at": None, "problem": message})
        self._store.note(self.known.id, self._progress)
        return WebhookDisabled(
            group=self.known.configured.group,
            webhook=self.known.id,
            revision=self.known.revision,
            reason="failing",
            message=message,
            position=self._progress.position,
        )
