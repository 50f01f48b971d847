"""What becomes of a delivered message, decided by the type of the error that its handler raised.

The only place that acknowledges: handlers never do. FastStream's own policies (term, nak without delay) are
switched off. A message is never given up for its age, only for what came of trying it (`tries`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta
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
from slipway_chassis.tries import Run, Tries, Try

_FIRST_DELAY: Final = timedelta(milliseconds=200)
_LONGEST_DELAY: Final = timedelta(seconds=30)
_LONGEST_ERROR: Final = 2_000
_log: Final = get_logger()


class UnendedTriesError(PermanentError):
    """The message was tried again and again, and the last tries ended with the process, not with an error."""


class UnhandledTypeError(PermanentError):
    """The service is bound to a consumer that delivers a type for which it has no handler."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a message is given up that is tried in vain.

    Attributes:
        tries: as many must have begun.
        patience: as long ago the first must have begun, where trying again may mend it; not for a bug.
    """

    tries: int = 20
    patience: timedelta = timedelta(hours=1)

    def are_reached(self, run: Run) -> bool:
        """Say whether this run has no more tries and no more time."""
        return run.tries >= self.tries and now() - run.since >= self.patience


@dataclass(frozen=True, kw_only=True)
class DeadMessage:
    """A message that will not be delivered again; it stays in the log.

    `stored.envelope` and `stored.message` may raise: that may be why it is dead.

    Attributes:
        stored: it, as the log has it.
        deliveries: how often it was delivered, by all releases there were.
        error: the last error, and how often and since when it was tried in vain.
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
        tries: remembers what was tried in vain.
        limits: when that is enough.
    """

    consumers: Mapping[str, ConsumerSpec]
    dead: Dead
    telemetry: Telemetry
    metrics: Metrics
    tries: Tries
    limits: Limits

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
        begun = now()
        self._run = Run(since=begun, last=begun, tries=1, unended=1)

    async def on_receive(self) -> None:
        spec = self._rules.consumers[self.msg.metadata.consumer]
        self._keeper = asyncio.create_task(self._keep(spec.ack_wait.total_seconds() / 3))
        self._run = await self._rules.tries.begin(self._try)

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]) -> Any:  # noqa: ANN401 - FastStream's signature
        if self._ends_processes:
            raise UnendedTriesError("the process that tried it ended each time before the try did")
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
            case TransientError() if self._rules.limits.are_reached(self._run):
                return await self._give_up(error)
            case TransientError():
                await self._again_later(error.delay, error)
                _log.info("message comes again", sequence=self._sequence, problem=str(error))
                return "transient"
            case PermanentError():
                return await self._give_up(error)
            case SubscriberNotFound():
                return await self._give_up(self._unhandled())
            case UnknownMessageError() | MalformedEnvelopeError() | ArgumentError():
                return await self._give_up(error)
            case Exception():
                _log.error("handler failed", sequence=self._sequence, exc_info=error)
                if self._run.unforeseen + 1 >= self._rules.limits.tries:
                    return await self._give_up(error)
                self._run = self._run.one_more_unforeseen()
                await self._again_later(None, error)
                return "failed"
            case _:
                # Cancelled: the process ends. Another one shall have the message at once, not after ack_wait.
                await self._again_later(timedelta(0), None)
                return "transient"

    async def _give_up(self, error: BaseException) -> Outcome:
        dead = DeadMessage(
            stored=stored_of(self.msg),
            deliveries=self._deliveries,
            error=_told(error, self._run),
        )
        _log.error("message is given up", sequence=self._sequence, problem=dead.error)
        try:
            await self._rules.dead(dead)
        except TransientError as unreported:
            _log.warning("a dead message is not reported", sequence=self._sequence, problem=str(unreported))
            await self._again_later(unreported.delay, error)
            return "transient"
        except Exception:  # noqa: BLE001 - whatever it is, the message must not be lost
            _log.exception("a dead message could not be reported", sequence=self._sequence)
            await self._again_later(None, error)
            return "failed"
        await self._acknowledge()
        return "dead"

    def _unhandled(self) -> Exception:
        """Return why no handler took the message; FastStream's own words for it show the whole message."""
        try:
            kind = stored_of(self.msg).message.type
        except (UnknownMessageError, MalformedEnvelopeError) as unreadable:
            return unreadable
        return UnhandledTypeError(f"this service has no handler for {kind}")

    @property
    def _ends_processes(self) -> bool:
        """Whether this try is one too many of those that all ended with their process."""
        before, limits = self._run.one_less(), self._rules.limits
        return before.unended >= limits.tries and limits.are_reached(before)

    @property
    def _try(self) -> Try:
        place = self.msg.metadata
        return Try(consumer=place.consumer, sequence=self._sequence, delivery=self._deliveries)

    @property
    def _sequence(self) -> int:
        return self.msg.metadata.sequence.stream

    @property
    def _deliveries(self) -> int:
        return self.msg.metadata.num_delivered

    async def _acknowledge(self) -> None:
        # Lost with the connection at worst; then the message comes again and its handler finds it done.
        with suppress(NatsError):
            await self.msg.ack()
        self._rules.tries.forget(self._try)

    async def _again_later(self, delay: timedelta | None, error: BaseException | None) -> None:
        untried = isinstance(error, UnendedTriesError)
        run = self._run.one_less() if untried else self._run.ended(_text(error) if error else None)
        # Before the message is given back: whoever gets it next shall read this.
        await self._rules.tries.keep(self._try, run)
        chosen = growing_delay(self._deliveries) if delay is None else delay
        with suppress(NatsError):
            await self.msg.nak(delay=chosen.total_seconds() or None)

    async def _keep(self, seconds: float) -> None:
        """Tell the server that the handler still works, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            with suppress(NatsError):
                await self.msg.in_progress()


def _told(error: BaseException, run: Run) -> str:
    """Return what to say of a message that is given up."""
    if run.tries == 1:
        return _text(error)
    since = run.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if not isinstance(error, UnendedTriesError):
        return f"{_text(error)} (tried {run.tries} times since {since})"
    before = f"; the last error before: {run.error}" if run.error else ""
    return f"{_text(error)} (tried {run.tries - 1} times since {since}{before})"


def _text(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"


def _bounded_type(message: Msg) -> str:
    kind = (message.headers or {}).get("ce-type", "").removeprefix(TYPE_PREFIX)
    return kind if kind in MESSAGE_TYPES else "unknown"
