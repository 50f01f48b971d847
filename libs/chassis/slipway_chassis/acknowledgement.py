"""What becomes of a delivered message, decided by the type of the error that its handler raised.

The only place that acknowledges: handlers never do. FastStream's own policies (term, nak without delay) are
switched off.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

from fast_depends.exceptions import ValidationError as ArgumentError
from faststream import BaseMiddleware, ContextRepo
from faststream.exceptions import SubscriberNotFound
from faststream.message import StreamMessage
from slipway_contracts.codec import MESSAGE_TYPES, UnknownMessageError
from slipway_contracts.envelope import TYPE_PREFIX, MalformedEnvelopeError
from slipway_contracts.topology import ConsumerSpec

from slipway_chassis.errors import PermanentError, TransientError
from slipway_chassis.logs import get_logger, log_context
from slipway_chassis.metrics import Metrics, Outcome
from slipway_chassis.nats_client import Msg, NatsError
from slipway_chassis.stored import Stored, stored_of
from slipway_chassis.telemetry import Telemetry

MOST_DELIVERIES: Final = 20
_FIRST_DELAY: Final = timedelta(milliseconds=200)
_LONGEST_DELAY: Final = timedelta(seconds=30)
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
    """

    consumers: Mapping[str, ConsumerSpec]
    dead: Dead
    telemetry: Telemetry
    metrics: Metrics

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
        deliveries = self.msg.metadata.num_delivered
        if deliveries > MOST_DELIVERIES:
            raise TooManyDeliveriesError(f"delivered {deliveries} times; no delivery came to an end")
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
        self._rules.metrics.message_handled(
            kind=_bounded_type(self.msg), outcome=outcome, seconds=time.monotonic() - self._began
        )
        return exc_val is None or isinstance(exc_val, Exception)

    async def _settle(self, error: BaseException | None) -> Outcome:
        match error:
            case None:
                await self._acknowledge()
                return "acked"
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
                await self._again_later(None)
                return "failed"
            case _:
                # Cancelled: the process ends. Another one shall have the message at once, not after ack_wait.
                await self._again_later(timedelta(0))
                return "transient"

    async def _give_up(self, error: BaseException) -> Outcome:
        dead = DeadMessage(
            stored=stored_of(self.msg),
            deliveries=self.msg.metadata.num_delivered,
            error=f"{type(error).__name__}: {error}",
        )
        _log.error("message is given up", sequence=self._sequence, problem=dead.error)
        try:
            await self._rules.dead(dead)
        except Exception:  # noqa: BLE001 - whatever it is, the message must not be lost
            _log.exception("a dead message could not be reported", sequence=self._sequence)
            await self._again_later(None)
            return "failed"
        await self._acknowledge()
        return "dead"

    @property
    def _sequence(self) -> int:
        return self.msg.metadata.sequence.stream

    async def _acknowledge(self) -> None:
        # Lost with the connection at worst; then the message comes again and its handler finds it done.
        with suppress(NatsError):
            await self.msg.ack()

    async def _again_later(self, delay: timedelta | None) -> None:
        chosen = growing_delay(self.msg.metadata.num_delivered) if delay is None else delay
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
