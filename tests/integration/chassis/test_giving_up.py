"""When a message is given up: for what came of trying it, never for its age, whatever ended between."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from eventually import eventually
from integration.chassis.bound_service import BoundService, deliver_in_vain, send_stop, shorten_ack_wait
from servers import NatsServer
from slipway_chassis.acknowledgement import Limits
from slipway_chassis.broker import running
from slipway_chassis.bucket import Bucket
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogFullError, TransientError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.tries import Run, Tries, Try
from slipway_contracts.commands import Stop
from slipway_contracts.envelope import now
from slipway_contracts.topology import DEPLOYER, TRIES

MANY = 40
AT_ONCE = timedelta(0)
FIVE_TRIES = Limits(tries=5, patience=timedelta(0))
FIVE_TRIES_AND_AN_HOUR = Limits(tries=5, patience=timedelta(hours=1))


async def remember(connection: Connection, run: Run) -> None:
    """Write what an earlier process of this release knew of the first message."""
    await Tries(connection=connection).keep(Try(consumer=DEPLOYER.durable, sequence=1, delivery=MANY), run)


def make_run(*, began: timedelta, last: timedelta, tries: int, unended: int = 0, unforeseen: int = 0) -> Run:
    return Run(
        since=now() - began,
        last=now() - last,
        tries=tries,
        unended=unended,
        unforeseen=unforeseen,
        error="KeyError: 'x'",
    )


def record_stops(service: BoundService, *, failing: int = 0, error: Exception) -> list[str]:
    """Let a service fail at the first so many tries of each stop but `next`; return what it tried."""
    tried: list[str] = []

    @service.handlers.on(Stop)
    async def on_stop(command: Stop) -> None:
        tried.append(command.deployment)
        if command.deployment != "next" and tried.count(command.deployment) <= failing:
            raise error

    return tried


async def test_message_that_was_delivered_often_and_is_old_is_still_tried(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log, "waited")
    await deliver_in_vain(connection, MANY)
    service = BoundService(connection, limits=FIVE_TRIES)
    tried = record_stops(service, error=AssertionError())

    await service.handle_one(log, "next")

    assert Counter(tried) == {"waited": 1, "next": 1}
    assert service.dead == []


async def test_message_that_was_delivered_often_gets_all_its_tries(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log, "waited")
    await deliver_in_vain(connection, MANY)
    service = BoundService(connection, limits=FIVE_TRIES)
    tried = record_stops(service, failing=5, error=TransientError("the engine is away", delay=AT_ONCE))

    await service.handle_one(log, "next")

    assert Counter(tried) == {"waited": 5, "next": 1}
    (dead,) = service.dead
    assert dead.deliveries == MANY + 5
    assert dead.error.startswith("TransientError: the engine is away (tried 5 times since 20")


async def test_message_that_waited_on_a_full_disk_is_tried_by_the_process_after_a_restart(
    connection: Connection, log: EventLog
) -> None:
    full = LogFullError("the disk is full", delay=AT_ONCE)
    first = BoundService(connection, limits=FIVE_TRIES, unreported=[full] * MANY)
    tried = record_stops(first, failing=MANY, error=full)
    async with running(first.broker):
        sequence = await send_stop(log)
        await eventually(lambda: len(first.dead) >= 3)
    assert len(tried) >= 5

    second = BoundService(connection, limits=FIVE_TRIES)
    tried = record_stops(second, error=AssertionError())
    async with running(second.broker):
        await eventually(lambda: second.settled(sequence=sequence))

    assert tried == ["digits"]
    assert second.dead == []


async def test_message_that_was_tried_in_vain_for_the_patience_is_given_up_by_the_process_after_a_restart(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    run = make_run(began=timedelta(minutes=61), last=timedelta(minutes=1), tries=130)
    await remember(connection, run)
    service = BoundService(connection, limits=FIVE_TRIES_AND_AN_HOUR)
    tried = record_stops(service, failing=1, error=TransientError("the engine is away", delay=AT_ONCE))

    await service.handle_one(log, "next")

    assert Counter(tried) == {"digits": 1, "next": 1}
    (dead,) = service.dead
    since = f"{run.since:%Y-%m-%d %H:%M:%S} UTC"
    assert dead.error == f"TransientError: the engine is away (tried 131 times since {since})"


async def test_time_in_which_nobody_tried_does_not_count(connection: Connection, log: EventLog) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    await remember(connection, make_run(began=timedelta(hours=25), last=timedelta(hours=24), tries=130))
    service = BoundService(connection, limits=FIVE_TRIES_AND_AN_HOUR)
    tried = record_stops(service, failing=10, error=TransientError("the engine is away", delay=AT_ONCE))

    await service.handle_one(log, "next")

    assert Counter(tried) == {"digits": 11, "next": 1}
    assert service.dead == []


async def test_bug_is_given_up_after_its_tries_without_patience(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    run = make_run(began=timedelta(minutes=5), last=timedelta(minutes=1), tries=4, unforeseen=4)
    await remember(connection, run)
    service = BoundService(connection, limits=FIVE_TRIES_AND_AN_HOUR)
    tried = record_stops(service, failing=1, error=KeyError("a bug"))

    await service.handle_one(log, "next")

    assert Counter(tried) == {"digits": 1, "next": 1}
    (dead,) = service.dead
    assert dead.error.startswith("KeyError: 'a bug' (tried 5 times since ")


async def test_one_error_that_nobody_foresaw_after_an_outage_does_not_give_up(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    await remember(connection, make_run(began=timedelta(minutes=10), last=timedelta(minutes=1), tries=25))
    service = BoundService(connection, limits=FIVE_TRIES_AND_AN_HOUR)
    tried = record_stops(service, failing=1, error=KeyError("a bug"))

    async with running(service.broker):
        await eventually(lambda: len(tried) == 2)

    assert service.dead == []


async def test_message_that_ends_every_process_is_given_up_untried_and_delays_nobody(
    fresh_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    spec = await shorten_ack_wait(connection, timedelta(seconds=0.6))
    limits = Limits(tries=2, patience=AT_ONCE)
    await send_stop(log, "poison")
    await deliver_in_vain(connection, 5)
    for _ in range(2):
        await die_handling(fresh_nats.url, BoundService(connection, spec=spec, limits=limits))

    service = BoundService(connection, spec=spec, limits=limits)
    tried = record_stops(service, error=AssertionError())
    await service.handle_one(log, "next")

    assert tried == ["next"]
    (dead,) = service.dead
    assert dead.error.startswith("UnendedTriesError: the process that tried it ended each time")
    assert "(tried 2 times since 20" in dead.error


async def test_message_whose_last_try_a_kill_ended_is_tried_again_however_long_it_was_tried(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    run = make_run(began=timedelta(hours=2), last=timedelta(minutes=1), tries=130, unended=4)
    await remember(connection, run)
    service = BoundService(connection, limits=FIVE_TRIES_AND_AN_HOUR)
    tried = record_stops(service, error=AssertionError())

    await service.handle_one(log, "next")

    assert Counter(tried) == {"digits": 1, "next": 1}
    assert service.dead == []


async def test_death_of_such_a_message_that_cannot_be_reported_counts_no_try(
    connection: Connection, log: EventLog
) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    await remember(connection, make_run(began=AT_ONCE, last=AT_ONCE, tries=2, unended=2))
    service = BoundService(
        connection,
        limits=Limits(tries=2, patience=AT_ONCE),
        unreported=[TransientError("the log is away", delay=AT_ONCE)] * 3,
    )
    tried = record_stops(service, error=AssertionError())

    await service.handle_one(log, "next")

    assert tried == ["next"]
    assert len({dead.error for dead in service.dead}) == 1
    assert "tried 2 times" in service.dead[-1].error
    assert "; the last error before: KeyError: 'x')" in service.dead[-1].error


async def test_handlers_that_a_stop_cancels_end_no_process(connection: Connection, log: EventLog) -> None:
    await send_stop(log)
    await deliver_in_vain(connection, 5)
    limits = Limits(tries=2, patience=AT_ONCE)
    for _ in range(3):
        stopped = BoundService(connection, limits=limits, grace=0.1)
        begun = hang(stopped)
        async with running(stopped.broker):
            await begun.wait()
        assert stopped.dead == []
    service = BoundService(connection, limits=limits)
    tried = record_stops(service, error=AssertionError())

    await service.handle_one(log, "next")

    assert Counter(tried) == {"digits": 1, "next": 1}
    assert service.dead == []


@pytest.mark.parametrize("spoiled", ["no bucket", "no record"])
async def test_without_what_was_remembered_each_process_counts_its_own_tries(
    connection: Connection, log: EventLog, spoiled: str
) -> None:
    if spoiled == "no bucket":
        await call(connection, f"STREAM.DELETE.KV_{TRIES.name}", within=5)
    else:
        await Bucket(connection=connection, name=TRIES.name).put("deployer.1.0.1.0", b"no json")
    service = BoundService(connection, limits=FIVE_TRIES)
    tried = record_stops(service, failing=5, error=TransientError("the engine is away", delay=AT_ONCE))

    await service.handle_one(log)

    assert tried == ["digits"] * 5
    (dead,) = service.dead
    assert dead.deliveries == 5


async def test_long_error_is_told_shortened(connection: Connection, log: EventLog) -> None:
    service = BoundService(connection, limits=Limits(tries=1, patience=AT_ONCE))
    record_stops(service, failing=1, error=TransientError("x" * 100_000))

    await service.handle_one(log)

    (dead,) = service.dead
    assert len(dead.error) == 2_000
    assert dead.error.endswith("xx…")


def hang(service: BoundService) -> asyncio.Event:
    """Let a service take messages and never be done; return what tells that it began."""
    begun = asyncio.Event()

    @service.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        begun.set()
        await asyncio.Event().wait()

    return begun


async def die_handling(url: str, service: BoundService) -> None:
    """Let a service take the next message and end without another word to the server."""
    dying = await Connection.open(url=url, user=None, password=None, name="dying")
    mortal = BoundService(dying, spec=service.spec, limits=service.limits)
    begun = asyncio.Event()

    @mortal.handlers.on(Stop)
    async def on_stop(_command: Stop) -> None:
        await dying.nc.close()
        begun.set()
        await asyncio.Event().wait()

    await mortal.broker.start()
    await begun.wait()
    for subscriber in mortal.broker.subscribers:
        for task in subscriber.tasks:  # type: ignore[attr-defined]
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
