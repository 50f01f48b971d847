"""A service bound to the deployer's consumer, for the tests of what becomes of its messages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from eventually import eventually
from log_messages import make_outgoing
from slipway_chassis.acknowledgement import DeadMessage, Limits
from slipway_chassis.broker import Handlers, LogBroker, make_broker, running, subscribe
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.metrics import Metrics
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.commands import Stop
from slipway_contracts.topology import DEPLOYER, ConsumerSpec


def make_stop(deployment: str = "digits") -> Stop:
    return Stop(group="team", deployment=deployment, by="ann", request_digest="x")


class BoundService:
    """A service bound to the deployer's consumer, with everything it did on record."""

    def __init__(
        self,
        connection: Connection,
        *,
        grace: float = 5.0,
        concurrency: int = 1,
        unreported: Sequence[Exception] = (),
        limits: Limits | None = None,
        spec: ConsumerSpec = DEPLOYER,
    ) -> None:
        self.dead: list[DeadMessage] = []
        self.metrics = Metrics(service="test")
        self.connection = connection
        self.limits = limits
        self.spec = spec
        self.broker: LogBroker = make_broker(
            connection=connection,
            telemetry=Telemetry(),
            metrics=self.metrics,
            dead=self._bury,
            grace=grace,
            limits=limits,
        )
        self.handlers: Handlers = subscribe(self.broker, spec, concurrency=concurrency)
        self._unreported = unreported

    async def _bury(self, message: DeadMessage) -> None:
        self.dead.append(message)
        if len(self.dead) <= len(self._unreported):
            raise self._unreported[len(self.dead) - 1]

    def takes_no_more(self) -> bool:
        """Whether the broker was told to stop."""
        return not any(subscriber.running for subscriber in self.broker.subscribers)

    async def settled(self, *, sequence: int) -> bool:
        """Whether everything up to `sequence` was delivered and nothing waits for an acknowledgement."""
        info = await call(self.connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
        return bool(info["num_ack_pending"] == 0 and info["ack_floor"]["stream_seq"] >= sequence)

    async def handle_one(self, log: EventLog, deployment: str = "digits") -> int:
        """Handle messages until one more is settled; return its sequence."""
        async with running(self.broker):
            sequence = await send_stop(log, deployment)
            await eventually(lambda: self.settled(sequence=sequence), timeout=60)
        return sequence


async def send_stop(log: EventLog, deployment: str = "digits") -> int:
    return (await log.publish(make_outgoing(make_stop(deployment)))).sequence


async def shorten_ack_wait(connection: Connection, ack_wait: timedelta) -> ConsumerSpec:
    info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    config = info["config"] | {"ack_wait": ack_wait // timedelta(microseconds=1) * 1000}
    request = {"stream_name": "SLIPWAY", "config": config, "action": ""}
    await call(connection, "CONSUMER.CREATE.SLIPWAY.deployer", request, within=5)
    return replace(DEPLOYER, ack_wait=ack_wait)


async def deliver_in_vain(connection: Connection, times: int) -> None:
    """Take the next message as often as this, each time as a process that ends without a word."""
    pull = await connection.nc.jetstream().pull_subscribe_bind(DEPLOYER.durable, DEPLOYER.stream)
    for _ in range(times):
        (message,) = await pull.fetch(1, timeout=5)
        await message.nak()
    await pull.unsubscribe()
