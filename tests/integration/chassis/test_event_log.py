"""Publishing to the log and reading it, on a real server."""

import asyncio

import pytest
from eventually import eventually
from log_messages import make_outgoing
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import (
    BatchTooLargeError,
    ConflictError,
    DuplicateError,
    LogFullError,
    LogUnavailableError,
    MessageTooLargeError,
)
from slipway_chassis.event_log import EventLog, Expect, LastPerSubject
from slipway_chassis.jetstream_api import call
from slipway_contracts.events import BuildStepFinished, ReleaseReady

SUBJECT = "slipway.team.digits.evt.release.ready"


async def test_published_message_comes_back_with_envelope_body_and_position(log: EventLog) -> None:
    outgoing = make_outgoing(release=7, correlation_id="the-command")

    receipt = await log.publish(outgoing)

    stored = await log.get(receipt.sequence)
    assert stored is not None
    assert stored.sequence == receipt.sequence == await log.end() == 1
    assert stored.subject == SUBJECT
    assert stored.message == outgoing.message
    assert stored.envelope.id == outgoing.envelope.id
    assert stored.envelope.correlation_id == "the-command"
    assert stored.time.tzinfo is not None


async def test_repeated_id_is_stored_once_and_says_where(log: EventLog) -> None:
    first = await log.publish(make_outgoing(identity="same"))
    await log.publish(make_outgoing())

    second = await log.publish(make_outgoing(identity="same"))

    assert (second.sequence, second.duplicate) == (first.sequence, True)
    assert await log.end() == 2


async def test_broken_expectation_is_a_conflict_and_stores_nothing(log: EventLog) -> None:
    await log.publish(make_outgoing())

    with pytest.raises(ConflictError):
        await log.publish(make_outgoing(expect=Expect(sequence=0)))

    assert await log.end() == 1


async def test_expectation_over_a_filter_sees_every_subject_below_it(log: EventLog) -> None:
    await log.publish(make_outgoing(deployment="digits"))
    await log.publish(make_outgoing(deployment="other"))
    record = "slipway.team.digits.>"

    held = await log.publish(make_outgoing(expect=Expect(sequence=1, subject=record)))

    assert held.sequence == 3
    with pytest.raises(ConflictError):
        await log.publish(make_outgoing(expect=Expect(sequence=1, subject=record)))


async def test_repeat_of_a_guarded_message_is_a_duplicate_not_a_conflict(log: EventLog) -> None:
    guard = Expect(sequence=0, subject="slipway.team.digits.>")
    first = await log.publish(make_outgoing(identity="create", expect=guard))
    await log.publish(make_outgoing())

    second = await log.publish(make_outgoing(identity="create", expect=guard))

    assert (second.sequence, second.duplicate) == (first.sequence, True)


async def test_exactly_one_of_fifty_racing_creates_wins(log: EventLog) -> None:
    guard = Expect(sequence=0, subject="slipway.team.digits.>")
    creates = [log.publish(make_outgoing(expect=guard)) for _ in range(50)]

    outcomes = await asyncio.gather(*creates, return_exceptions=True)

    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 49
    assert await log.end() == 1


async def test_batch_is_stored_whole_in_order_and_next_to_each_other(log: EventLog) -> None:
    batch = [make_outgoing(release=number) for number in range(1, 6)]

    receipt = await log.publish_batch(batch)

    stored = [item async for item in log.read("slipway.team.>", after=0)]
    assert receipt.sequence == 5
    assert [item.message for item in stored] == [outgoing.message for outgoing in batch]


async def test_batch_of_one_and_of_a_thousand_are_taken_and_more_is_refused(log: EventLog) -> None:
    thousand = [make_outgoing(release=number) for number in range(1, 1001)]

    single = await log.publish_batch([make_outgoing()])
    largest = await log.publish_batch(thousand)

    assert (single.sequence, largest.sequence) == (1, 1001)
    with pytest.raises(BatchTooLargeError):
        await log.publish_batch([*thousand, make_outgoing()])


async def test_batch_with_a_broken_expectation_stores_nothing_of_it(log: EventLog) -> None:
    await log.publish(make_outgoing(deployment="digits"))
    guarded = make_outgoing(deployment="digits", expect=Expect(sequence=0))

    with pytest.raises(ConflictError):
        await log.publish_batch(
            [make_outgoing(deployment="other"), guarded, make_outgoing(deployment="third")]
        )

    assert await log.end() == 1


async def test_repeated_batch_is_a_duplicate_that_says_where_its_guarded_message_is(log: EventLog) -> None:
    guard = Expect(sequence=0, subject="slipway.team.digits.>")
    batch = [
        make_outgoing(deployment="other"),
        make_outgoing(expect=guard),
        make_outgoing(deployment="third"),
    ]
    await log.publish_batch(batch)

    with pytest.raises(DuplicateError) as caught:
        await log.publish_batch(batch)

    assert caught.value.sequence == 2
    assert await log.end() == 3


async def test_batch_with_a_message_that_is_stored_already_stores_nothing_of_it(log: EventLog) -> None:
    await log.publish(make_outgoing(identity="known"))

    with pytest.raises(DuplicateError):
        await log.publish_batch([make_outgoing(), make_outgoing(identity="known")])

    assert await log.end() == 1


async def test_last_and_last_per_subject_give_the_newest_in_log_order(log: EventLog) -> None:
    for deployment, release in (("one", 1), ("two", 1), ("one", 2), ("three", 1), ("one", 3)):
        await log.publish(make_outgoing(deployment=deployment, release=release))

    last = await log.last("slipway.team.one.>")
    latest = await log.last_per_subject("slipway.team.*.evt.>")

    assert last is not None
    assert last.sequence == 5
    assert [item.sequence for item in latest] == [2, 4, 5]
    assert await log.last("slipway.nobody.>") is None
    assert await log.last_per_subject("slipway.nobody.>") == []


async def test_read_gives_what_is_behind_a_position_and_then_stops(log: EventLog) -> None:
    for release in range(1, 5):
        await log.publish(make_outgoing(deployment="digits", release=release))
        await log.publish(make_outgoing(deployment="other", release=release))

    read = [item.message async for item in log.read("slipway.team.digits.>", after=3)]

    releases = [message.release for message in read if isinstance(message, ReleaseReady)]
    assert releases == [3, 4]


async def test_publish_waits_through_a_restart_of_the_server(log: EventLog, fresh_nats: NatsServer) -> None:
    await log.publish(make_outgoing())
    fresh_nats.kill9()
    publishing = asyncio.create_task(log.publish(make_outgoing()))
    await asyncio.sleep(0)

    fresh_nats.start()

    assert (await publishing).sequence == 2


async def test_batches_are_whole_and_stored_once_through_kills_of_the_server(
    log: EventLog, fresh_nats: NatsServer
) -> None:
    confirmed: list[str] = []
    unclear: list[str] = []

    async def publish_batches(worker: int) -> None:
        for number in range(60):
            name = f"w{worker}-{number}"
            batch = [make_outgoing(deployment=name, release=part) for part in (1, 2, 3)]
            try:
                await log.publish_batch(batch)
            except DuplicateError:
                unclear.append(name)
            else:
                confirmed.append(name)

    publishing = asyncio.gather(*(publish_batches(worker) for worker in range(4)))
    for goal in (30, 90, 150):
        await eventually(lambda goal=goal: len(confirmed) >= goal)  # type: ignore[misc]
        await asyncio.to_thread(fresh_nats.restart)
    await publishing

    stored = [item async for item in log.read("slipway.>", after=0)]
    messages = [item.message for item in stored if isinstance(item.message, ReleaseReady)]
    batches = [messages[start : start + 3] for start in range(0, len(messages), 3)]
    assert all(len({part.deployment for part in batch}) == 1 for batch in batches)
    assert all([part.release for part in batch] == [1, 2, 3] for batch in batches)
    assert sorted(batch[0].deployment for batch in batches) == sorted(confirmed + unclear)


async def test_publish_without_a_server_gives_up_in_time_and_says_where_it_should_be(
    fresh_nats: NatsServer, connection: Connection
) -> None:
    log = EventLog(connection=connection, publish_timeout=0.3)
    fresh_nats.kill9()

    with pytest.raises(LogUnavailableError, match=str(fresh_nats.port)):
        await log.publish(make_outgoing())


async def test_publish_without_a_stream_gives_up_and_names_provisioning(connection: Connection) -> None:
    await call(connection, "STREAM.DELETE.SLIPWAY", within=5)
    log = EventLog(connection=connection, publish_timeout=0.3)

    with pytest.raises(LogUnavailableError, match="provisioned"):
        await log.publish(make_outgoing())


async def test_full_log_refuses_and_says_so(connection: Connection, log: EventLog) -> None:
    info = await call(connection, "STREAM.INFO.SLIPWAY", within=5)
    await call(connection, "STREAM.UPDATE.SLIPWAY", info["config"] | {"max_bytes": 2000}, within=5)

    publishing = [log.publish(make_outgoing()) for _ in range(20)]
    outcomes = await asyncio.gather(*publishing, return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, LogFullError)]
    assert 0 < len(refused) < 20
    assert "free disk space" in str(refused[0])


async def test_message_above_the_servers_limit_is_a_permanent_error(log: EventLog) -> None:
    step = BuildStepFinished(
        group="team",
        deployment="digits",
        build="00000000-0000-7000-8000-000000000000",
        step="pack",
        seconds=1,
        detail="x" * (2 << 20),
    )

    with pytest.raises(MessageTooLargeError):
        await log.publish(make_outgoing(step))


async def test_following_leaves_no_consumer_behind(connection: Connection, log: EventLog) -> None:
    before = (await call(connection, "STREAM.INFO.SLIPWAY", within=5))["state"]["consumer_count"]
    for _ in range(5):
        await log.last_per_subject("slipway.>")
    following = log.follow("slipway.>", start=LastPerSubject())
    await anext(following)

    await following.aclose()

    async def count() -> bool:
        info = await call(connection, "STREAM.INFO.SLIPWAY", within=5)
        return bool(info["state"]["consumer_count"] == before)

    await eventually(count)
