"""How a webhook stands: what the notifier says of it, what waits for it, and what its owner should know.

Reads only: the bucket of positions and the log.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Final

from pydantic import ValidationError
from slipway_chassis.errors import LogTruncatedError, TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.feed import Entry, Interest
from slipway_chassis.heartbeats import Heartbeat, Heartbeats
from slipway_chassis.leases import Leases
from slipway_chassis.logs import get_logger
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.webhooks import WebhookKnown, WebhookProgress

from slipway_api.answers.webhook_views import WebhookPending

_NOTIFIER: Final = "notifier"
_LOOK_SECONDS: Final = 3.0
_LOOK_AGAIN_SECONDS: Final = 0.05
_COUNT_SECONDS: Final = 2.0
_MOST_COUNTED: Final = 1_000
_MOST_READ: Final = 10_000
_PERMISSION: Final = (
    "the operator allows it with SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=true for the notifier (standalone: "
    "`slipway down`, then `SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=true slipway up`); then what waits is sent"
)
_log: Final = get_logger()


class WebhookStanding:
    """Reads what becomes of webhooks.

    Args:
        log: the events.
        positions: what the notifier says.
        leases: whether there is a notifier.
    """

    def __init__(self, *, log: EventLog, positions: Heartbeats, leases: Leases) -> None:
        self._log = log
        self._positions = positions
        self._leases = leases

    async def told(self) -> Mapping[str, WebhookProgress]:
        """Return what is said of all webhooks of the installation, but for what nobody can read.

        Raises:
            LogUnavailableError: no answer in time.
        """
        found = {each.key: _progress(each) for each in await self._positions.list()}
        return {key: progress for key, progress in found.items() if progress is not None}

    async def of(self, webhook: str) -> WebhookProgress | None:
        """Return what is said of a webhook; None: nothing that can be read.

        Raises:
            LogUnavailableError: no answer in time.
        """
        record = await self._positions.last(webhook)
        return None if record is None or record.data is None else _progress(record)

    async def first_word(self, webhook: str, revision: int) -> tuple[WebhookProgress | None, str | None]:
        """Return what the notifier says of a new configuration, and what its owner should know.

        It takes three seconds at most, and raises nothing: the configuration is in the log already.
        """
        try:
            if await self._leases.current(_NOTIFIER) is None:
                return None, "No notifier runs now: events wait until one does."
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    progress = await self._look(webhook, revision)
                return progress, _hindrance(progress)
        except TransientError as error:
            _log.warning("says nothing of a new webhook", webhook=webhook, because=str(error))
        return None, "Whether anything may be sent to it is not known yet: test it with a ping."

    async def _look(self, webhook: str, revision: int) -> WebhookProgress:
        while True:
            progress = await self.of(webhook)
            if progress is not None and progress.revision >= revision and progress.forbidden is not None:
                return progress
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def pending(self, known: WebhookKnown, progress: WebhookProgress | None) -> WebhookPending:
        """Return what the log has for a webhook behind its position, counted up to a limit."""
        wanted = known.configured
        interest = Interest(group=wanted.group, deployment=wanted.deployment, types=wanted.types)
        counted = _Counted()
        after = known.start if progress is None else progress.position
        try:
            async with (
                asyncio.timeout(_COUNT_SECONDS),
                aclosing(self._log.follow(interest.subject, start=After(after))) as items,
            ):
                async for item in items:
                    if isinstance(item, CaughtUp):
                        return counted.view(more=False)
                    counted.read += 1
                    if _is_sent(Entry(item), interest, wanted):
                        counted.take(Entry(item))
                    if counted.is_enough:
                        break
        except TimeoutError:
            return counted.view(more=True)
        except LogTruncatedError:
            # The log was replaced by a shorter one: the notifier goes on at its end.
            return counted.view(more=False)
        return counted.view(more=True)


class _Counted:
    def __init__(self) -> None:
        self.read = 0
        self._events = 0
        self._first: Entry | None = None

    @property
    def is_enough(self) -> bool:
        return self._events >= _MOST_COUNTED or self.read >= _MOST_READ

    def take(self, entry: Entry) -> None:
        self._events += 1
        self._first = self._first or entry

    def view(self, *, more: bool) -> WebhookPending:
        first = self._first
        return WebhookPending(
            events=self._events,
            more=more,
            first_type=None if first is None else first.type,
            first_sequence=None if first is None else first.sequence,
            first_at=None if first is None else first.stored.time,
        )


def notice(known: WebhookKnown, progress: WebhookProgress | None) -> str | None:
    """Return what keeps a webhook from its events, and what helps; None: nothing but its receiver."""
    if known.ended is not None:
        return (
            "Nothing is sent to it any more. Enabled again, it goes on behind sequence "
            f"{known.ended.position}, and gets what the log still has."
        )
    if progress is None or progress.begun != known.begun or not progress.forbidden:
        return None
    return _hindrance(progress)


def _hindrance(progress: WebhookProgress) -> str | None:
    if progress.forbidden:
        return f"Nothing is sent to it, because its host has no public address; {_PERMISSION}."
    return f"Nothing could be sent to it now: {progress.problem}." if progress.problem else None


def _is_sent(entry: Entry, interest: Interest, wanted: WebhookConfigured) -> bool:
    return interest.covers(entry) and (wanted.format == "cloudevents" or bool(entry.cdevents))


def _progress(record: Heartbeat) -> WebhookProgress | None:
    try:
        return WebhookProgress.model_validate_json(record.data or b"")
    except ValidationError as error:
        _log.warning("ignores what is said of a webhook", webhook=record.key, because=str(error))
        return None
