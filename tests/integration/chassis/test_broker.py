"""What becomes of a message: acknowledged, delivered again, given up; never lost, on a real server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eventually import eventually
from log_messages import make_outgoing
from servers import NatsServer
from slipway_chassis.acknowledgement import MOST_DELIVERIES, DeadMessage, growing_delay
from slipway_chassis.broker import Delivered, Handlers, LogBroker, make_broker, running, subscribe
from slipway_chassis.connection import Connection
from slipway_chassis.errors import PermanentError, TransientError
from slipway_chassis.event_log import EventLog, Stored
from slipway_chassis.jetstream_api import call, publish
from slipway_chassis.metrics import Metrics
from slipway_chassis.nats_client import Msg
from slipway_chassis.provision import provision
from slipway_chassis.telemetry import Telemetry, current_traceparent
from slipway_contracts.commands import CancelBuild, Stop
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.topology import DEPLOYER, ConsumerSpec

Handle = Callable[[Stop], Awaitable[None]]
SIGNS_PER_ACK_WAIT = 3


def make_stop(deployment: str = "digits") -> Stop:
    return Stop(group="team", deployment=deployment, by="ann", request_digest="x")


class Service:
    """A service bound to the deployer's consumer, with everything it did on record."""

    def __init__(
        self,
        connection: Connection,
        *,
        grace: float = 5.0,
        concurrency: int = 1,
        unreported: int = 0,
        spec: ConsumerSpec = DEPLOYER,
    ) -> None:
        self.dead: list[DeadMessage] = []
        self.metrics = Metrics(service="test")
        self.connection = connection
        self.broker: LogBroker = make_broker(
            connection=connection, telemetry=Telemetry(), metrics=self.metrics, dead=self._bury, grace=grace
        )
        self.handlers: Handlers = subscribe(self.broker, spec, concurrency=concurrency)
        self._unreported = unreported

    async def _bury(self, message: DeadMessage) -> None:
        self.dead.append(message)
        if len(self.dead) <= self._unreported:
            raise ConnectionError("the log is away")

    def takes_no_more(self) -> bool:
        """Whether the broker was told to stop."""
        return not any(subscriber.running for subscriber in self.broker.subscribers)

    async def settled(self, *, sequence: int) -> bool:
        """Whether everything up to `sequence` was delivered and nothing waits for an acknowledgement."""
        info = await call(self.connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
        return bool(info["num_ack_pending"] == 0 and info["ack_floor"]["stream_seq"] >= sequence)


async def send_stop(log: EventLog, deployment: str = "digits") -> int:
    return (await log.publish(make_outgoing(make_stop(deployment)))).sequence


async def test_handled_message_is_acknowledged_and_comes_once(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    handled: list[tuple[Stop, Stored]] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop, stored: Delivered) -> None:
        handled.append((command, stored))

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    ((command, stored),) = handled
    assert command == make_stop()
    assert (stored.sequence, stored.subject) == (sequence, "slipway.team.digits.cmd.deployer.stop")
    assert stored.envelope.source == "/slipway/test"
    assert service.dead == []


async def test_messages_are_handled_one_at_a_time_in_log_order(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    handled: list[str] = []
    busy: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        busy.append(command.deployment)
        assert len(busy) == 1
        await asyncio.sleep(0)
        handled.append(busy.pop())

    names = [f"d{number}" for number in range(50)]
    sequences = [await send_stop(log, name) for name in names]
    async with running(service.broker):
        await eventually(lambda: service.settled(sequence=sequences[-1]))

    assert handled == names


async def test_concurrent_binding_handles_several_at_once(connection: Connection, log: EventLog) -> None:
    service = Service(connection, concurrency=3)
    all_there = asyncio.Barrier(3)

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        await all_there.wait()

    sequences = [await send_stop(log, f"d{number}") for number in range(6)]
    async with running(service.broker):
        await eventually(lambda: service.settled(sequence=sequences[-1]))


async def test_each_handler_gets_only_its_types(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    stops: list[object] = []
    facts: list[object] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        stops.append(command)

    @service.handlers.on(ReplicaFact)
    async def on_fact(fact: ReplicaFact) -> None:
        facts.append(fact)

    async with running(service.broker):
        sequences = [await send_stop(log) for _ in range(20)]
        await eventually(lambda: service.settled(sequence=sequences[-1]))

    assert (len(stops), facts) == (20, [])


async def test_transient_error_brings_the_message_again_after_its_delay(
    connection: Connection, log: EventLog
) -> None:
    service = Service(connection)
    tries: list[float] = []

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise TransientError("the engine is busy", delay=timedelta(seconds=0.3))

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.3
    assert tries[2] - tries[1] >= 0.3
    assert service.dead == []
    assert b'outcome="transient"' in service.metrics.render()


async def test_unexpected_error_brings_the_message_again_after_growing_delays(
    connection: Connection, log: EventLog
) -> None:
    service = Service(connection)
    tries: list[float] = []

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise KeyError("a bug")

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.2
    assert tries[2] - tries[1] >= 0.4
    assert service.dead == []


async def test_permanent_error_gives_the_message_up_at_once(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        raise PermanentError("no such target")

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    (dead,) = service.dead
    assert len(tries) == 1
    assert dead.stored.sequence == sequence
    assert dead.stored.message == make_stop()
    assert (dead.deliveries, dead.error) == (1, "PermanentError: no such target")


@pytest.mark.parametrize(
    "change",
    [
        {"data": b"{}"},
        {"data": b"no json"},
        {"data": b"17"},
        {"headers": {"ce-type": "dev.slipway.command.levitate.v1"}},
        {"headers": {}},
        {"headers": make_outgoing(make_stop()).envelope.to_headers() | {"ce-time": "yesterday"}},
    ],
    ids=["invalid body", "no json", "a number", "unknown type", "no envelope", "unusable envelope"],
)
async def test_message_that_nobody_can_read_is_given_up_and_does_not_stop_the_next(
    connection: Connection, log: EventLog, change: dict[str, object]
) -> None:
    service = Service(connection)
    handled: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command.deployment)

    outgoing = make_outgoing(make_stop("broken"))
    message: dict[str, Any] = {
        "data": outgoing.message.model_dump_json().encode(),
        "headers": outgoing.envelope.to_headers(),
    }
    message |= change
    await publish(
        connection,
        outgoing.subject,
        message["data"],
        headers=message["headers"],
        within=5,
    )
    async with running(service.broker):
        sequence = await send_stop(log, "next")
        await eventually(lambda: service.settled(sequence=sequence))

    assert handled == ["next"]
    assert [dead.stored.sequence for dead in service.dead] == [1]


async def test_type_without_a_handler_is_given_up(connection: Connection, log: EventLog) -> None:
    service = Service(connection)

    @service.handlers.on(CancelBuild)
    async def on_cancel(_command: CancelBuild) -> None:
        raise AssertionError

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    (dead,) = service.dead
    assert "SubscriberNotFound" in dead.error


async def test_message_delivered_too_often_is_given_up_without_being_handled_again(
    connection: Connection, log: EventLog
) -> None:
    service = Service(connection)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        raise TransientError("never", delay=timedelta(0))

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    (dead,) = service.dead
    assert len(tries) == MOST_DELIVERIES
    assert dead.deliveries == MOST_DELIVERIES + 1
    assert "delivered 21 times" in dead.error


async def test_message_stays_when_its_death_cannot_be_reported(connection: Connection, log: EventLog) -> None:
    service = Service(connection, unreported=2)

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        raise PermanentError("no")

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    assert len(service.dead) == 3


async def test_long_work_keeps_its_message(connection: Connection, log: EventLog) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=0.6))
    service = Service(connection, spec=spec)
    tries: list[Stop] = []
    signs_of_life: list[bytes] = []

    async def on_answer(message: Msg) -> None:
        signs_of_life.append(message.data)

    await connection.nc.subscribe("$JS.ACK.SLIPWAY.deployer.>", cb=on_answer)

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        await eventually(lambda: signs_of_life.count(b"+WPI") > 3 * SIGNS_PER_ACK_WAIT)

    async with running(service.broker):
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))

    assert len(tries) == 1


async def test_message_of_a_process_that_died_comes_to_another(
    fresh_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=0.6))
    dying = await Connection.open(url=fresh_nats.url, user=None, password=None, name="dying")
    first, second = Service(dying, spec=spec), Service(connection, spec=spec)
    begun = asyncio.Event()
    handled: list[Stop] = []

    @first.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        begun.set()
        await dying.nc.close()
        await asyncio.Event().wait()

    @second.handlers.on(Stop)
    async def on_stop_again(command: Stop) -> None:
        handled.append(command)

    await first.broker.start()
    sequence = await send_stop(log)
    await begun.wait()
    async with running(second.broker):
        await eventually(lambda: second.settled(sequence=sequence))

    assert len(handled) == 1
    for subscriber in first.broker.subscribers:
        for task in subscriber.tasks:  # type: ignore[attr-defined]
            task.cancel()


async def test_stopping_waits_for_the_handler_in_hand(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    begun = asyncio.Event()
    ended: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        begun.set()
        await eventually(service.takes_no_more)
        ended.append(command)

    async with running(service.broker):
        sequence = await send_stop(log)
        await begun.wait()

    assert len(ended) == 1
    await eventually(lambda: service.settled(sequence=sequence))


async def test_handler_that_outlasts_the_grace_is_cancelled_and_its_message_comes_to_another_at_once(
    connection: Connection, log: EventLog
) -> None:
    first, second = Service(connection, grace=0.2), Service(connection)
    begun = asyncio.Event()
    handled: list[Stop] = []

    @first.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        begun.set()
        await asyncio.Event().wait()

    @second.handlers.on(Stop)
    async def on_stop_again(command: Stop) -> None:
        handled.append(command)

    async with running(first.broker):
        sequence = await send_stop(log)
        await begun.wait()
    async with running(second.broker):
        await eventually(lambda: second.settled(sequence=sequence), timeout=2)

    assert len(handled) == 1


async def test_handling_goes_on_at_once_after_a_kill_of_the_server_and_loses_nothing(
    connection: Connection, fresh_nats: NatsServer, log: EventLog
) -> None:
    # An acknowledgement may die with the server; its message then comes again after this time.
    spec = await shorten_ack_wait(connection, timedelta(seconds=1))
    service = Service(connection, spec=spec)
    handled: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command.deployment)

    async with running(service.broker):
        await send_stop(log, "before")
        await eventually(lambda: handled == ["before"])
        await asyncio.to_thread(fresh_nats.restart)
        sequence = await send_stop(log, "after")
        await eventually(lambda: "after" in handled, timeout=2)
        await eventually(lambda: service.settled(sequence=sequence))


async def test_one_request_waits_at_the_server_however_often_it_was_killed_under_load(
    connection: Connection, fresh_nats: NatsServer, log: EventLog
) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=1))
    service = Service(connection, spec=spec)
    handled: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command)

    async def publish_steadily() -> None:
        while True:
            await send_stop(log)

    async def waiting_requests() -> int:
        info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
        return int(info["num_waiting"])

    async with running(service.broker):
        publishing = asyncio.create_task(publish_steadily())
        for goal in range(100, 600, 100):
            await eventually(lambda goal=goal: len(handled) > goal)  # type: ignore[misc]
            await asyncio.to_thread(fresh_nats.restart)
        publishing.cancel()
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence))
        assert await waiting_requests() == 1

    assert len(handled) >= sequence


async def test_deleted_consumer_is_waited_for_not_created_and_not_spun_on(
    connection: Connection, log: EventLog
) -> None:
    await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    service = Service(connection)
    handled: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command.deployment)

    async def run() -> None:
        async with running(service.broker):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await send_stop(log)
    asked = connection.nc.stats["out_msgs"]
    await eventually(lambda: connection.nc.stats["out_msgs"] >= asked + 3)
    names = await call(connection, "CONSUMER.NAMES.SLIPWAY", within=5)
    assert "deployer" not in names["consumers"]
    await provision(connection)
    await eventually(lambda: handled == ["digits"])

    await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    asked = connection.nc.stats["out_msgs"]
    half_a_second_later = time.monotonic() + 0.5
    await eventually(lambda: time.monotonic() > half_a_second_later)
    assert connection.nc.stats["out_msgs"] < asked + 10
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_handler_runs_in_the_trace_of_its_message(connection: Connection, log: EventLog) -> None:
    service = Service(connection)
    seen: list[str | None] = []
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        seen.append(current_traceparent())

    async with running(service.broker):
        receipt = await log.publish(make_outgoing(make_stop(), traceparent=parent))
        await eventually(lambda: service.settled(sequence=receipt.sequence))

    assert seen == [parent]


async def test_second_binding_to_one_consumer_is_refused(connection: Connection) -> None:
    service = Service(connection)

    with pytest.raises(ValueError, match="deployer is bound already"):
        subscribe(service.broker, replace(DEPLOYER))


@pytest.mark.parametrize(
    ("deliveries", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30), (20, 30), (10_000, 30)]
)
def test_delay_doubles_up_to_half_a_minute(deliveries: int, seconds: float) -> None:
    assert growing_delay(deliveries) == timedelta(seconds=seconds)


async def shorten_ack_wait(connection: Connection, ack_wait: timedelta) -> ConsumerSpec:
    info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    config = info["config"] | {"ack_wait": ack_wait // timedelta(microseconds=1) * 1000}
    request = {"stream_name": "SLIPWAY", "config": config, "action": ""}
    await call(connection, "CONSUMER.CREATE.SLIPWAY.deployer", request, within=5)
    return replace(DEPLOYER, ack_wait=ack_wait)
