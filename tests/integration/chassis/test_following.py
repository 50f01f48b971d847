"""Following the log through restarts of the server, under load."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
from eventually import eventually
from log_messages import make_outgoing
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogTruncatedError, TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog, LastPerSubject, New, Start, Stored
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision

EVERYTHING = "slipway.>"
SLOWNESS_SECONDS = 0.05
LESS_THAN_SILENCE_SECONDS = 4


@asynccontextmanager
async def collecting(log: EventLog, *filters: str, start: Start) -> AsyncIterator[list[Stored | CaughtUp]]:
    """Follow in the background; yields the growing list of what came."""
    came: list[Stored | CaughtUp] = []

    async def collect() -> None:
        async with aclosing(log.follow(*filters, start=start)) as items:
            async for item in items:
                came.append(item)  # noqa: PERF401 - others look at the list while it grows

    task = asyncio.create_task(collect())
    try:
        yield came
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def publishing_steadily(log: EventLog) -> AsyncIterator[Callable[[], int]]:
    """Publish in the background as fast as it is confirmed; yields a function that counts the confirmed."""
    confirmed: list[int] = []

    async def publish() -> None:
        while True:
            outgoing = make_outgoing(release=len(confirmed) + 1)
            with suppress(TransientError):
                confirmed.append((await log.publish(outgoing)).sequence)

    task = asyncio.create_task(publish())
    try:
        yield lambda: len(confirmed)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def grown(count: Callable[[], int], *, by: int) -> None:
    goal = count() + by
    await eventually(lambda: count() >= goal)


def sequences(came: list[Stored | CaughtUp]) -> list[int]:
    return [item.sequence for item in came if isinstance(item, Stored)]


async def test_caught_up_comes_at_once_when_there_is_nothing(log: EventLog) -> None:
    async with aclosing(log.follow(EVERYTHING, start=After(0))) as items:
        first = await anext(items)

    assert first == CaughtUp(0)


async def test_caught_up_comes_once_behind_all_that_existed(log: EventLog) -> None:
    for release in range(1, 4):
        await log.publish(make_outgoing(release=release))
    await log.publish(make_outgoing(group="elsewhere"))

    async with collecting(log, "slipway.team.>", start=After(0)) as came:
        await eventually(lambda: CaughtUp(4) in came)
        await log.publish(make_outgoing(release=4))
        await eventually(lambda: len(came) == 5)

    assert came[3] == CaughtUp(4)
    assert sequences(came) == [1, 2, 3, 5]


async def test_following_after_a_position_begins_behind_it(log: EventLog) -> None:
    for release in range(1, 6):
        await log.publish(make_outgoing(release=release))

    async with collecting(log, EVERYTHING, start=After(3)) as came:
        await eventually(lambda: CaughtUp(5) in came)

    assert sequences(came) == [4, 5]


async def test_following_from_the_last_per_subject_gives_each_subject_once_and_then_all_news(
    log: EventLog,
) -> None:
    for deployment, release in (("one", 1), ("two", 1), ("one", 2)):
        await log.publish(make_outgoing(deployment=deployment, release=release))

    async with collecting(log, EVERYTHING, start=LastPerSubject()) as came:
        await eventually(lambda: CaughtUp(3) in came)
        await log.publish(make_outgoing(deployment="two", release=2))
        await log.publish(make_outgoing(deployment="two", release=3))
        await eventually(lambda: len(came) == 5)

    assert sequences(came) == [2, 3, 4, 5]
    assert came[2] == CaughtUp(3)


async def test_a_subject_that_changes_all_the_time_is_never_missed(log: EventLog) -> None:
    await log.publish(make_outgoing(release=1))

    async with publishing_steadily(log) as confirmed:
        await grown(confirmed, by=5)
        found = [await log.last_per_subject(EVERYTHING) for _ in range(300)]

    assert [len(each) for each in found] == [1] * 300


async def test_following_the_new_gives_nothing_old(log: EventLog) -> None:
    await log.publish(make_outgoing(release=1))

    async with collecting(log, EVERYTHING, start=New()) as came:
        await eventually(lambda: came == [CaughtUp(1)])
        await log.publish(make_outgoing(release=2))
        await eventually(lambda: len(came) == 2)

    assert sequences(came) == [2]


async def test_several_filters_keep_the_order_of_the_log(log: EventLog) -> None:
    for deployment in ("one", "two", "three", "one", "two"):
        await log.publish(make_outgoing(deployment=deployment))

    async with collecting(log, "slipway.team.one.>", "slipway.team.two.>", start=After(0)) as came:
        await eventually(lambda: CaughtUp(5) in came)

    assert sequences(came) == [1, 2, 4, 5]


@pytest.mark.parametrize("start", [After(0), LastPerSubject(), New()], ids=lambda start: type(start).__name__)
async def test_nothing_is_missed_or_repeated_when_the_server_is_killed_under_load(
    log: EventLog, fresh_nats: NatsServer, start: Start
) -> None:
    await log.publish(make_outgoing())
    async with collecting(log, EVERYTHING, start=start) as came:
        await eventually(lambda: CaughtUp(1) in came)

        async with publishing_steadily(log) as confirmed:
            for _ in range(4):
                await grown(confirmed, by=200)
                await asyncio.to_thread(fresh_nats.restart)
            await grown(confirmed, by=200)
        # Behind the message that was on its way when publishing ended: it may not be stored yet.
        end = (await log.publish(make_outgoing())).sequence
        await eventually(lambda: sequences(came)[-1] == end)

    first = 2 if isinstance(start, New) else 1
    assert sequences(came) == list(range(first, end + 1))
    assert [item for item in came if isinstance(item, CaughtUp)] == [CaughtUp(1)]


async def test_reading_a_long_past_survives_a_kill_in_its_middle(
    log: EventLog, fresh_nats: NatsServer
) -> None:
    for _ in range(10):
        await log.publish_batch([make_outgoing(release=number) for number in range(1, 1001)])

    async with collecting(log, EVERYTHING, start=After(0)) as came:
        await eventually(lambda: len(came) > 1000)
        assert len(came) < 10_000
        await asyncio.to_thread(fresh_nats.restart)
        await eventually(lambda: len(came) >= 10_001, timeout=30)

    assert sequences(came) == list(range(1, 10_001))
    assert came[-1] == CaughtUp(10_000)


async def test_following_goes_on_when_the_server_is_back_before_its_silence_tells(
    log: EventLog, fresh_nats: NatsServer
) -> None:
    async with collecting(log, EVERYTHING, start=New()) as came:
        await eventually(lambda: came == [CaughtUp(0)])
        await asyncio.to_thread(fresh_nats.restart)

        await log.publish(make_outgoing())
        await eventually(lambda: sequences(came) == [1], timeout=LESS_THAN_SILENCE_SECONDS)


async def test_following_goes_on_when_its_consumer_is_deleted(connection: Connection, log: EventLog) -> None:
    async with collecting(log, EVERYTHING, start=New()) as came:
        await eventually(lambda: came == [CaughtUp(0)])
        names = await call(connection, "CONSUMER.NAMES.SLIPWAY", within=5)
        (follower,) = (name for name in names["consumers"] if name.startswith("follow-"))

        await call(connection, f"CONSUMER.DELETE.SLIPWAY.{follower}", within=5)
        await log.publish(make_outgoing())

        await eventually(lambda: sequences(came) == [1], timeout=20)


async def test_slow_follower_gets_everything(log: EventLog) -> None:
    for _ in range(5):
        await log.publish_batch([make_outgoing(release=number) for number in range(1, 1001)])
    read: list[int] = []

    async with aclosing(log.follow(EVERYTHING, start=After(0))) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            read.append(item.sequence)
            if len(read) % 500 == 0:
                await asyncio.sleep(SLOWNESS_SECONDS)

    assert read == list(range(1, 5001))


async def test_follower_refuses_a_log_that_ends_before_its_position(log: EventLog) -> None:
    await log.publish(make_outgoing())

    with pytest.raises(LogTruncatedError, match="ends at 1"):
        await anext(log.follow(EVERYTHING, start=After(5)))


async def test_follower_refuses_a_log_that_was_replaced_while_it_followed(
    connection: Connection, log: EventLog
) -> None:
    for release in range(1, 4):
        await log.publish(make_outgoing(release=release))
    async with aclosing(log.follow(EVERYTHING, start=After(0))) as items:
        assert [(await anext(items)).sequence for _ in range(3)] == [1, 2, 3]

        await call(connection, "STREAM.DELETE.SLIPWAY", within=5)
        await provision(connection)

        with pytest.raises(LogTruncatedError):
            async for _ in items:
                pass
