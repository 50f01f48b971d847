"""Messages in hand when a handler is slow, a process ends, the server dies or the consumer is deleted."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from eventually import eventually
from integration.chassis.bound_service import BoundService, send_stop, shorten_ack_wait
from servers import NatsServer
from slipway_chassis.broker import running
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.nats_client import Msg
from slipway_chassis.provision import provision
from slipway_contracts.commands import Stop
from structlog.testing import capture_logs

SIGNS_PER_ACK_WAIT = 3
LOOKS = 4
"""So often a service looks again before what it said of that counts."""
SPINNING_SECONDS = 0.5
"""Within these a service that does not pause looks far more than `LOOKS` times."""
LESS_THAN_A_PULL_SECONDS = 8


class AskedConnection(Connection):
    """Counts how often it was asked for its problem."""

    asked = 0

    @property
    def problem(self) -> str | None:
        self.asked += 1
        return super().problem


@pytest.fixture
async def asked_connection(fresh_nats: NatsServer) -> AsyncIterator[AskedConnection]:
    connection = await AskedConnection.open(url=fresh_nats.url, user=None, password=None, name="asked")
    yield connection
    await connection.close()


async def test_long_work_keeps_its_message(connection: Connection, log: EventLog) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=0.6))
    service = BoundService(connection, spec=spec)
    tries: list[Stop] = []
    signs_of_life: list[bytes] = []

    async def on_answer(message: Msg) -> None:
        signs_of_life.append(message.data)

    await connection.nc.subscribe("$JS.ACK.SLIPWAY.deployer.>", cb=on_answer)

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        await eventually(lambda: signs_of_life.count(b"+WPI") > 3 * SIGNS_PER_ACK_WAIT)

    await service.handle_one(log)

    assert len(tries) == 1


async def test_message_of_a_process_that_died_comes_to_another(
    fresh_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=0.6))
    dying = await Connection.open(url=fresh_nats.url, user=None, password=None, name="dying")
    first, second = BoundService(dying, spec=spec), BoundService(connection, spec=spec)
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
    service = BoundService(connection)
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
    spec = await shorten_ack_wait(connection, timedelta(minutes=5))
    first = BoundService(connection, grace=0.2, spec=spec)
    second = BoundService(connection, spec=spec)
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
        await eventually(lambda: second.settled(sequence=sequence))

    assert len(handled) == 1


async def test_handling_goes_on_at_once_after_a_kill_of_the_server_and_loses_nothing(
    connection: Connection, fresh_nats: NatsServer, log: EventLog
) -> None:
    # An acknowledgement may die with the server; its message then comes again after this time.
    spec = await shorten_ack_wait(connection, timedelta(seconds=1))
    service = BoundService(connection, spec=spec)
    handled: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command.deployment)

    async with running(service.broker):
        await send_stop(log, "before")
        await eventually(lambda: handled == ["before"])
        await asyncio.to_thread(fresh_nats.restart)
        sequence = await send_stop(log, "after")
        await eventually(lambda: "after" in handled, timeout=LESS_THAN_A_PULL_SECONDS)
        await eventually(lambda: service.settled(sequence=sequence))


async def test_one_request_waits_at_the_server_however_often_it_was_killed_under_load(
    connection: Connection, fresh_nats: NatsServer, log: EventLog
) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=1))
    service = BoundService(connection, spec=spec)
    handled: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command)

    async def publish_steadily() -> None:
        while True:
            await send_stop(log)

    async def one_request_waits() -> bool:
        info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
        return bool(info["num_waiting"] == 1)

    async with running(service.broker):
        publishing = asyncio.create_task(publish_steadily())
        for goal in range(100, 600, 100):
            await eventually(lambda goal=goal: len(handled) > goal, timeout=60)  # type: ignore[misc]
            await asyncio.to_thread(fresh_nats.restart)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        sequence = await send_stop(log)
        await eventually(lambda: service.settled(sequence=sequence), timeout=60)
        await eventually(one_request_waits)

    assert len(handled) >= sequence


@pytest.mark.parametrize("provisioned", [True, False])
async def test_outage_of_the_server_while_a_service_starts_is_waited_for_and_told_once(
    asked_connection: AskedConnection,
    connection: Connection,
    fresh_nats: NatsServer,
    log: EventLog,
    *,
    provisioned: bool,
) -> None:
    sequence = await send_stop(log)
    if not provisioned:
        await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    service = BoundService(asked_connection)
    handled: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        handled.append(command.deployment)

    async def run() -> None:
        async with running(service.broker):
            await eventually(lambda: service.settled(sequence=sequence))

    await asyncio.to_thread(fresh_nats.kill9)
    await eventually(lambda: asked_connection.problem)
    with capture_logs() as lines:
        task = asyncio.create_task(run())
        await eventually(lambda: any(line.get("consumer") == "deployer" for line in lines))
        asked = asked_connection.asked
        await eventually(lambda: asked_connection.asked > asked + LOOKS)
        told = [line["event"] for line in lines if line.get("consumer") == "deployer"]
        await asyncio.to_thread(fresh_nats.start)
        if not provisioned:
            await eventually(lambda: any("is not provisioned" in line["event"] for line in lines))
            await provision(connection)
        await task

    assert handled == ["digits"]
    assert len(told) == 1
    assert f"NATS at {fresh_nats.url}" in told[0]


async def test_deleted_consumer_is_waited_for_not_created_and_not_spun_on(
    connection: Connection, log: EventLog
) -> None:
    await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    service = BoundService(connection)
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
    asked, began = connection.nc.stats["out_msgs"], time.monotonic()
    await eventually(lambda: connection.nc.stats["out_msgs"] >= asked + LOOKS)
    assert time.monotonic() - began > SPINNING_SECONDS
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
