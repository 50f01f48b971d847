"""The FastStream broker of a service that handles messages, on the process' own connection.

Binds to consumers that are provisioned and creates none; what becomes of a message is decided in
`acknowledgement`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Annotated, Final, TypeVar

from faststream import AckPolicy, Context, StreamMessage
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.subscriber.usecases import LogicSubscriber, PullStreamSubscriber
from nats.js.api import ConsumerConfig
from slipway_contracts.codec import AnyMessage
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_contracts.message import Message
from slipway_contracts.topology import ConsumerSpec

from slipway_chassis.acknowledgement import Acknowledgement, Dead, DeadMessage, Limits
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_chassis.jetstream_api import NotFoundError, call
from slipway_chassis.logs import get_logger
from slipway_chassis.metrics import Metrics
from slipway_chassis.nats_client import Client, JetStreamContext, Msg
from slipway_chassis.probes import Probes
from slipway_chassis.pulling import DurablePull
from slipway_chassis.stored import Stored, stored_of
from slipway_chassis.telemetry import Telemetry
from slipway_chassis.tries import Tries

__all__ = ["Dead", "DeadMessage", "Delivered", "Handlers", "LogBroker", "make_broker", "running", "subscribe"]

Delivered = Annotated[Stored, Context("stored", cast=False)]
"""Annotates a handler's parameter that takes the message with its position and envelope."""

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[None]])
_PULL_SECONDS: Final = 10.0
_API_SECONDS: Final = 5.0
_PROVISION_POLL_SECONDS: Final = 0.2
_log: Final = get_logger()


class _JetStream(JetStreamContext):
    """Binds FastStream's subscribers to consumers that exist; its own call creates one that is missing."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.nc)
        self._connection = connection

    async def pull_subscribe(  # type: ignore[override]
        self,
        *,
        stream: str,
        durable: str,
        **_options: object,
    ) -> DurablePull:
        pull = DurablePull(connection=self._connection, stream=stream, durable=durable)
        await pull.open()
        return pull


class LogBroker(NatsBroker):
    """A NatsBroker on a connection that it does not own; made by `make_broker`."""

    def __init__(
        self,
        *,
        log_connection: Connection,
        bound: dict[str, ConsumerSpec],
        acknowledgement: Acknowledgement,
        grace: float,
    ) -> None:
        super().__init__(
            middlewares=[acknowledgement],
            ack_policy=AckPolicy.MANUAL,
            decoder=_decode,
            graceful_timeout=grace,
            logger=None,
        )
        self.log_connection: Final = log_connection
        self.bound: Final = bound

    async def _connect(self) -> Client:
        # A connection of FastStream's own would be closed for good by the first refused password.
        nc = self.log_connection.nc
        self.config.connect(nc)
        self.config.connection_state.connect(nc, _JetStream(self.log_connection))
        return nc

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        """Stop taking messages and wait for those in hand; the connection stays open."""
        pulling = [
            task
            for subscriber in self.subscribers
            if isinstance(subscriber, PullStreamSubscriber)
            for task in subscriber.tasks
        ]
        await super(NatsBroker, self).stop(exc_type, exc_val, exc_tb)
        # FastStream cancels what is late and forgets it; it still has to give its message back.
        await asyncio.gather(*pulling, return_exceptions=True)
        self._connection = None
        self.config.disconnect()


class Handlers:
    """The handlers of one durable consumer, chosen by message type."""

    def __init__(self, subscribers: Sequence[LogicSubscriber[Msg]]) -> None:
        self._subscribers = subscribers

    def on(self, *kinds: type[Message]) -> Callable[[Handler], Handler]:
        """Let the decorated function handle messages of these types.

        Its first parameter takes the typed message; a parameter annotated `Delivered` takes the message with
        its position and envelope. It returns None for success; its errors are mapped by `acknowledgement`.
        """
        types = frozenset(kind.model_fields["type"].default for kind in kinds)

        def is_of_type(message: StreamMessage[Msg]) -> bool:
            return message.headers.get("ce-type", "").removeprefix(TYPE_PREFIX) in types

        def register(handler: Handler) -> Handler:
            for subscriber in self._subscribers:
                subscriber(handler, filter=is_of_type)
            return handler

        return register


def make_broker(
    *,
    connection: Connection,
    telemetry: Telemetry,
    metrics: Metrics,
    dead: Dead,
    grace: float = 10.0,
    limits: Limits | None = None,
) -> LogBroker:
    """Return a broker without subscribers.

    Args:
        connection: the process' connection; it stays the caller's.
        telemetry: makes the consumer spans.
        metrics: counts what became of messages.
        dead: called for a message that is given up, before it is acknowledged: ends the operation FAILED and
            publishes `message.dead`. It may be called again for the same message.
        grace: seconds for handlers in hand when the broker stops; then they are cancelled and their messages
            given back.
        limits: when a message is given up that is tried in vain.
    """
    bound: dict[str, ConsumerSpec] = {}
    acknowledgement = Acknowledgement(
        consumers=bound,
        dead=dead,
        telemetry=telemetry,
        metrics=metrics,
        tries=Tries(connection=connection),
        limits=limits or Limits(),
    )
    return LogBroker(log_connection=connection, bound=bound, acknowledgement=acknowledgement, grace=grace)


def subscribe(broker: LogBroker, spec: ConsumerSpec, *, concurrency: int = 1) -> Handlers:
    """Bind to a durable consumer of the topology; once per consumer and process.

    Args:
        broker: where to bind.
        spec: the consumer; all its messages come here, so every type it can deliver needs a handler.
        concurrency: messages handled at once; above 1 they may end in another order than they came.
    """
    if spec.durable in broker.bound:
        raise ValueError(f"{spec.durable} is bound already; add handlers to that one")
    broker.bound[spec.durable] = spec
    subscribers = [
        broker.subscriber(
            "",
            config=ConsumerConfig(filter_subjects=list(spec.filters)),
            durable=spec.durable,
            stream=JStream(spec.stream, declare=False),
            pull_sub=PullSub(batch_size=1, timeout=_PULL_SECONDS),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )
        for _ in range(concurrency)
    ]
    return Handlers(subscribers)


@asynccontextmanager
async def running(broker: LogBroker) -> AsyncIterator[None]:
    """Handle messages while the body runs; waits at the start for the consumers to be provisioned."""
    for spec in broker.bound.values():
        await _await_consumer(broker.log_connection, spec)
    try:
        await broker.start()
        yield
    finally:
        await broker.stop()


async def handle_until(
    stopping: asyncio.Event, broker: LogBroker, *work: Coroutine[None, None, None], probes: Probes
) -> None:
    """Handle messages and do this work until told to stop; whatever fails ends all of it.

    The process is ready only while the broker's consumers are provisioned. One that waits for them stops at
    once.
    """
    probes.add("consumers", lambda: _consumers_problem(broker))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        told = group.create_task(stopping.wait())
        async with AsyncExitStack() as handling:
            beginning = group.create_task(handling.enter_async_context(running(broker)))
            await asyncio.wait({beginning, told}, return_when=asyncio.FIRST_COMPLETED)
            beginning.cancel()
            await told
        for task in tasks:
            task.cancel()


async def _await_consumer(connection: Connection, spec: ConsumerSpec) -> None:
    said: str | None = None
    while (problem := await _consumer_problem(connection, spec)) is not None:
        if problem != said:
            _log.warning(problem, consumer=spec.durable)
            said = problem
        await asyncio.sleep(_PROVISION_POLL_SECONDS)


async def _consumers_problem(broker: LogBroker) -> str | None:
    for spec in broker.bound.values():
        if (problem := await _consumer_problem(broker.log_connection, spec)) is not None:
            return problem
    return None


async def _consumer_problem(connection: Connection, spec: ConsumerSpec) -> str | None:
    """Return what keeps messages from coming, and what to do; None: nothing does."""
    if connection.problem is not None:
        return f"waiting for NATS at {connection.place}, to look for the consumer {spec.durable}"
    try:
        await call(connection, f"CONSUMER.INFO.{spec.stream}.{spec.durable}", within=_API_SECONDS)
    except NotFoundError:
        return f"the consumer {spec.durable} is not provisioned; run: python -m slipway_chassis.provision"
    except LogUnavailableError:
        return f"waiting for NATS at {connection.place}, to look for the consumer {spec.durable}"
    except SlipwayError as error:
        return f"waiting for the consumer {spec.durable}: {error}"
    return None


async def _decode(message: StreamMessage[Msg]) -> AnyMessage:
    return stored_of(message.raw_message).message
