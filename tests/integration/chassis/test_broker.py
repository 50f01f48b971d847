"""What becomes of a message: acknowledged, delivered again, given up; never lost, on a real server."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eventually import eventually
from integration.chassis.bound_service import BoundService, make_stop, send_stop
from log_messages import make_outgoing
from slipway_chassis.acknowledgement import Limits, growing_delay
from slipway_chassis.broker import Delivered, running, subscribe
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogFullError, PermanentError, TransientError
from slipway_chassis.event_log import EventLog, Stored
from slipway_chassis.jetstream_api import publish
from slipway_chassis.telemetry import current_traceparent
from slipway_contracts.commands import CancelBuild, Stop
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.topology import DEPLOYER

ENVELOPE = make_outgoing(make_stop()).envelope.to_headers()
NO_STOP = "UnknownMessageError: the body is no command.stop.v1"
NO_PATIENCE = Limits(patience=timedelta(0))


async def test_handled_message_is_acknowledged_and_comes_once(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)
    handled: list[tuple[Stop, Stored]] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop, stored: Delivered) -> None:
        handled.append((command, stored))

    sequence = await service.handle_one(log)

    ((command, stored),) = handled
    assert command == make_stop()
    assert (stored.sequence, stored.subject) == (sequence, "slipway.team.digits.cmd.deployer.stop")
    assert stored.envelope.source == "/slipway/test"
    assert service.dead == []


async def test_messages_are_handled_one_at_a_time_in_log_order(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)
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
    service = BoundService(connection, concurrency=3)
    all_there = asyncio.Barrier(3)

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        await all_there.wait()

    sequences = [await send_stop(log, f"d{number}") for number in range(6)]
    async with running(service.broker):
        await eventually(lambda: service.settled(sequence=sequences[-1]))


async def test_each_handler_gets_only_its_types(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)
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
    service = BoundService(connection)
    tries: list[float] = []

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise TransientError("the engine is busy", delay=timedelta(seconds=0.3))

    await service.handle_one(log)

    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.3
    assert tries[2] - tries[1] >= 0.3
    assert service.dead == []
    assert b'outcome="transient"' in service.metrics.render()


async def test_unexpected_error_brings_the_message_again_after_growing_delays(
    connection: Connection, log: EventLog
) -> None:
    service = BoundService(connection)
    tries: list[float] = []

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise KeyError("a bug")

    await service.handle_one(log)

    assert len(tries) == 3
    assert tries[1] - tries[0] >= 0.2
    assert tries[2] - tries[1] >= 0.4
    assert service.dead == []


async def test_permanent_error_gives_the_message_up_at_once(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        raise PermanentError("no such target")

    sequence = await service.handle_one(log)

    (dead,) = service.dead
    assert len(tries) == 1
    assert dead.stored.sequence == sequence
    assert dead.stored.message == make_stop()
    assert (dead.deliveries, dead.error) == (1, "PermanentError: no such target")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"data": b"{}"}, f"{NO_STOP}: it has no `type`"),
        ({"data": b"no json"}, f"{NO_STOP}: Invalid JSON: expected ident at line 1 column 2"),
        ({"data": b"17"}, f"{NO_STOP}: Input should be an object"),
        (
            {"headers": ENVELOPE | {"ce-type": "dev.slipway.command.stop.v2"}},
            "UnknownMessageError: no message type",
        ),
        (
            {"headers": {"ce-type": "dev.slipway.command.levitate.v1"}},
            "MalformedEnvelopeError: the message has no",
        ),
        ({"headers": {}}, "MalformedEnvelopeError: the message has no header 'ce-id'"),
        (
            {"headers": ENVELOPE | {"ce-time": "yesterday"}},
            "MalformedEnvelopeError: a header of the message is not readable",
        ),
    ],
    ids=[
        "invalid body",
        "no json",
        "a number",
        "newer version",
        "unknown type",
        "no envelope",
        "unusable envelope",
    ],
)
async def test_message_that_nobody_can_read_is_given_up_and_does_not_stop_the_next(
    connection: Connection, log: EventLog, change: dict[str, object], error: str
) -> None:
    service = BoundService(connection)
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
    await service.handle_one(log, "next")

    assert handled == ["next"]
    assert [dead.stored.sequence for dead in service.dead] == [1]
    assert service.dead[0].error.startswith(error)


async def test_type_without_a_handler_is_given_up(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)

    @service.handlers.on(CancelBuild)
    async def on_cancel(_command: CancelBuild) -> None:
        raise AssertionError

    await service.handle_one(log)

    (dead,) = service.dead
    assert dead.error == "UnhandledTypeError: this service has no handler for command.stop.v1"


async def test_message_that_waits_for_better_times_is_not_given_up_while_it_is_young(
    connection: Connection, log: EventLog
) -> None:
    service = BoundService(connection)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        if len(tries) <= 2 * NO_PATIENCE.tries:
            raise LogFullError("the disk is full", delay=timedelta(0))

    await service.handle_one(log)

    assert len(tries) == 2 * NO_PATIENCE.tries + 1
    assert service.dead == []


async def test_message_that_was_tried_too_long_is_given_up_with_what_was_the_matter(
    connection: Connection, log: EventLog
) -> None:
    service = BoundService(connection, limits=NO_PATIENCE)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        raise TransientError("the engine is busy", delay=timedelta(0))

    await service.handle_one(log)

    (dead,) = service.dead
    assert len(tries) == NO_PATIENCE.tries
    assert dead.deliveries == NO_PATIENCE.tries
    assert dead.error.startswith("TransientError: the engine is busy (tried 20 times since ")


async def test_message_that_waited_long_on_a_full_disk_is_handled_once_there_is_room(
    connection: Connection, log: EventLog
) -> None:
    full = LogFullError("the disk is full", delay=timedelta(0))
    service = BoundService(connection, limits=NO_PATIENCE, unreported=[full] * 3)
    tries: list[Stop] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tries.append(command)
        if len(tries) < NO_PATIENCE.tries + 3:
            raise full

    await service.handle_one(log)

    assert len(tries) == NO_PATIENCE.tries + 3
    assert len(service.dead) == 3
    assert b'outcome="dead"' not in service.metrics.render()


async def test_message_stays_when_its_death_cannot_be_reported(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection, unreported=[ConnectionError("the log is away")] * 2)

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        raise PermanentError("no")

    await service.handle_one(log)

    assert len(service.dead) == 3


async def test_handler_runs_in_the_trace_of_its_message(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection)
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
    service = BoundService(connection)

    with pytest.raises(ValueError, match="deployer is bound already"):
        subscribe(service.broker, replace(DEPLOYER))


@pytest.mark.parametrize(
    ("deliveries", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 30), (20, 30), (10_000, 30)]
)
def test_delay_doubles_up_to_half_a_minute(deliveries: int, seconds: float) -> None:
    assert growing_delay(deliveries) == timedelta(seconds=seconds)
