"""Tests of webhooks: a message that asks for one is sent at once, beside the queue, and its fate is told."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.feed import Entry
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.names import derived_id
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged
from slipway_contracts.webhooks import WebhookKnown, WebhookRegister

from slipway_notifier.contents import contents_of
from slipway_notifier.deliverer import Deliverer
from slipway_notifier.outcome import DeliveryError

_WORTH_WHILE: Final = timedelta(seconds=20)
_log: Final = get_logger()


class Pings:
    """Sends what webhooks are pinged with; positions and failures do not change by the test itself.

    Args:
        log: where the answers are told.
        deliverer: signs and posts.
        source: who says it.
        reached: told of each webhook whose receiver took its test.
    """

    def __init__(
        self, *, log: EventLog, deliverer: Deliverer, source: str, reached: Callable[[str], None]
    ) -> None:
        self._log = log
        self._deliverer = deliverer
        self._source = source
        self._reached = reached
        self._asked: dict[int, tuple[WebhookPinged, Entry]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, pinged: WebhookPinged, stored: Stored) -> None:
        """Take a message that asks for a test; nobody waits any more for one that is old."""
        if now() - stored.time < _WORTH_WHILE:
            self._asked[stored.sequence] = pinged, Entry(stored)

    def settle(self, answered: WebhookAnswered) -> None:
        """Take what a notifier said of a test."""
        self._asked.pop(answered.ping, None)

    def begin(self, register: WebhookRegister) -> None:
        """Begin to answer all that nobody has answered."""
        for pinged, entry in self._asked.values():
            task = asyncio.create_task(self._answer(pinged, entry, register.get(pinged.webhook)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._asked.clear()

    async def stop(self) -> None:
        """Leave what is under way."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, pinged: WebhookPinged, entry: Entry, known: WebhookKnown | None) -> None:
        """Send the message to the webhook, as it is configured now, and tell what came of it.

        Who asked waits for a short while only: what cannot be told is logged.
        """
        began = time.monotonic()
        status, problem = await self._send(entry, known)
        if problem is None:
            self._reached(pinged.webhook)
        message = WebhookAnswered(
            group=pinged.group,
            webhook=pinged.webhook,
            ping=entry.sequence,
            delivered=problem is None,
            status=status,
            seconds=time.monotonic() - began,
            problem=problem,
        )
        try:
            await self._tell(message, entry)
        except TransientError as error:
            _log.warning("the answer to a ping is not told", webhook=pinged.webhook, because=str(error))

    async def _send(self, entry: Entry, known: WebhookKnown | None) -> tuple[int | None, str | None]:
        """Return the status, if there is an answer, and why it was not delivered, if so."""
        if known is None:
            return None, "it was removed meanwhile"
        (content,) = contents_of(entry, known.configured.format)
        try:
            answer = await self._deliverer.post(known.configured, content)
        except DeliveryError as error:
            return None, str(error)
        return answer.status, None if answer.is_success else f"the receiver answered {answer.title}"

    async def _tell(self, message: WebhookAnswered, entry: Entry) -> None:
        asked = entry.stored.envelope
        envelope = Envelope(
            id=derived_id(message.type, asked.id),
            type=message.type,
            source=self._source,
            subject=asked.subject,
            time=now(),
            causation_id=asked.id,
            correlation_id=asked.correlation_id,
        )
        await self._log.publish(Outgoing(subject=subjects.of(message), message=message, envelope=envelope))
