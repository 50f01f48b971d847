"""What becomes of a delivered message, decided by the type of the error that its handler raised.

The only place that acknowledges: handlers never do. FastStream's own policies (term, nak without delay) are
switched off.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

from fast_depends.exceptions import ValidationError as ArgumentError
from faststream import BaseMiddleware, ContextRepo
from faststream.exceptions import SubscriberNotFound
from faststream.message import StreamMessage
from slipway_contracts.codec import MESSAGE_TYPES, UnknownMessageError
from slipway_contracts.envelope import TYPE_PREFIX, MalformedEnvelopeError, now
from slipway_contracts.topology import ConsumerSpec

from slipway_chassis.errors import PermanentError, TransientError
from slipway_chassis.logs import get_logger, log_context
from slipway_chassis.metrics import Metrics, Outcome
from slipway_chassis.nats_client import Msg, NatsError
from slipway_chassis.stored import Stored, stored_of
from slipway_chassis.telemetry import Telemetry

MOST_DELIVERIES: Final = 20
PATIENCE: Final = timedelta(hours=1)
"""As long as this after it was stored, a message may wait for what trying again mends."""

_FIRST_DELAY: Final = timedelta(milliseconds=200)
_LONGEST_DELAY: Final = timedelta(seconds=30)
_MOST_REMEMBERED: Final = 10_000
_log: Final = get_logger()


class TooManyDeliveriesError(PermanentError):
    """The message was delivered again and again, and no delivery came to an end."""


@dataclass(frozen=True, kw_only=True)
class DeadMessage:
    """A message that will not be delivered again; it stays in the log.

    `stored.envelope` and `stored.message` may raise: that may be why it is dead.
    """

    stored: Stored
    deliveries: int
    error: str


Dead = Callable[[DeadMessage], Awaitable[None]]


def growing_delay(deliveries: int) -> timedelta:
    """Return the time until the next delivery: 0.2 s after the first, doubling, at most 30 s."""
    doublings = min(deliveries - 1, 16)
    return min(_FIRST_DELAY * (1 << doublings), _LONGEST_DELAY)


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """The rules, bound to one process; FastStream calls it for each delivery.

    Attributes:
        consumers: the consumers this process is bound to, by durable name.
        dead: what the service does with a message that is given up.
        telemetry: makes the consumer spans.
        metrics: counts the outcomes.
        patience: age from which on a message is given up that was delivered too often.
        ended: consumer and sequence of what will come again after a delivery that came to an end here.
    """

    consumers: Mapping[str, ConsumerSpec]
    dead: Dead
    telemetry: Telemetry
    metrics: Metrics
    patience: timedelta = PATIENCE
    ended: set[tuple[str, int]] = field(default_factory=set)

    def __call__(self, message: Any, /, *, context: ContextRepo) -> "_Delivery":  # noqa: ANN401
        """Return the middleware of one delivery."""
        return _Delivery(message, context=context, rules=self)


class _Delivery(BaseMiddleware[Any, Any]):
    msg: Msg

    def __init__(self, message: Msg, /, *, context: ContextRepo, rules: Acknowledgement) -> None:
        super().__init__(message, context=context)
        self._rules = rules
        self._began = time.monotonic()
        self._keeper: asyncio.Task[None] | None = None

    async def on_receive(self) -> None:
        spec = self._rules.consumers[self.msg.metadata.consumer]
        self._keeper = asyncio.create_task(self._keep(spec.ack_wait.total_seconds() / 3))

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:  # noqa: ANN401 - FastStream's signature
        if self._deliveries > MOST_DELIVERIES and self._is_old and self._identity not in self._rules.ended:
            raise TooManyDeliveriesError(f"delivered {self._deliveries} times; no delivery came to an end")
        stored = stored_of(self.msg)
        self.context.set_local("stored", stored)
        envelope = stored.envelope
        operation = envelope.correlation_id or envelope.id
        with (
            self._rules.telemetry.processing(
                envelope, stream=self.msg.metadata.stream, consumer=self.msg.metadata.consumer
            ),
            log_context(operation=operation, message_type=envelope.type),
        ):
            return await call_next(msg)

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,  # noqa: ARG002 - FastStream's signature
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,  # noqa: ARG002
    ) -> bool:
        try:
            outcome = await self._settle(exc_val)
        finally:
            if self._keeper is not None:
                self._keeper.cancel()
        self._remember(outcome)
        self._rules.metrics.message_handled(
            kind=_bounded_type(self.msg), outcome=outcome, seconds=time.monotonic() - self._began
        )
        return exc_val is None or isinstance(exc_val, Exception)

    async def _settle(self, error: BaseException | None) -> Outcome:
        match error:
            case None:
                await self._acknowledge()
                return "acked"
            case TransientError() if self._is_last and self._is_old:
                return await self._give_up(error)
            case TransientError():
                await self._again_later(error.delay)
                _log.info("message comes again", sequence=self._sequence, problem=str(error))
                return "transient"
            case PermanentError():
                return await self._give_up(error)
            case UnknownMessageError() | MalformedEnvelopeError() | ArgumentError() | SubscriberNotFound():
                return await self._give_up(error)
            case Exception():
                _log.error("handler failed", sequence=self._sequence, exc_info=error)
                if self._is_last:
                    return await self._give_up(error)
                await self._again_later(None)
                return "failed"
            case _:
                # Cancelled: the process ends. Another one shall have the message at once, not after ack_wait.
                await self._again_later(timedelta(0))
                return "transient"

    async def _give_up(self, error: BaseException) -> Outcome:
        dead = DeadMessage(
            stored=stored_of(self.msg),
            deliveries=self._deliveries,
            error=f"{type(error).__name__}: {error}",
        )
        _log.error("message is given up", sequence=self._sequence, problem=dead.error)
        try:
            await self._rules.dead(dead)
        except TransientError as unreported:
            _log.warning("a dead message is not reported", sequence=self._sequence, problem=str(unreported))
            await self._again_later(unreported.delay)
            return "transient"
        except Exception:  # noqa: BLE001 - whatever it is, the message must not be lost
            _log.exception("a dead message could not be reported", sequence=self._sequence)
            await self._again_later(None)
            return "failed"
        await self._acknowledge()
        return "dead"

    def _remember(self, outcome: Outcome) -> None:
        """Tell what waits for better times from what ends the process each time: the server does not."""
        ended = self._rules.ended
        ended.discard(self._identity)
        if outcome in ("transient", "failed"):
            if len(ended) >= _MOST_REMEMBERED:
                ended.clear()
            ended.add(self._identity)

    @property
    def _sequence(self) -> int:
        return self.msg.metadata.sequence.stream

    @property
    def _identity(self) -> tuple[str, int]:
        return self.msg.metadata.consumer, self._sequence

    @property
    def _deliveries(self) -> int:
        return self.msg.metadata.num_delivered

    @property
    def _is_last(self) -> bool:
        return self._deliveries >= MOST_DELIVERIES

    @property
    def _is_old(self) -> bool:
        return now() - stored_of(self.msg).time >= self._rules.patience

    async def _acknowledge(self) -> None:
        # Lost with the connection at worst; then the message comes again and its handler finds it done.
        with suppress(NatsError):
            await self.msg.ack()

    async def _again_later(self, delay: timedelta | None) -> None:
        chosen = growing_delay(self._deliveries) if delay is None else delay
        with suppress(NatsError):
            await self.msg.nak(delay=chosen.total_seconds() or None)

    async def _keep(self, seconds: float) -> None:
        """Tell the server that the handler still works, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            with suppress(NatsError):
                await self.msg.in_progress()


def _bounded_type(message: Msg) -> str:
    kind = (message.headers or {}).get("ce-type", "").removeprefix(TYPE_PREFIX)
    return kind if kind in MESSAGE_TYPES else "unknown"
