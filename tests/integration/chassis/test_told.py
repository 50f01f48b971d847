"""What is told to those who only listen: what the log took, in its order, with its place, nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from eventually import eventually
from log_messages import make_outgoing
from nats.aio.msg import Msg
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ConflictError, DuplicateError
from slipway_chassis.event_log import EventLog, Expect
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_contracts import subjects
from slipway_contracts.codec import parse
from slipway_contracts.envelope import Envelope
from slipway_contracts.topology import STREAMS

READY = "slipway.team.digits.evt.release.ready"


@asynccontextmanager
async def listening(url: str, subject: str) -> AsyncIterator[list[Msg]]:
    """What a listener hears, in order."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    client = await nats.connect(url)
    await client.subscribe(subject, cb=hear)
    # The ping of a flush overtakes what the client has buffered; a request waits its turn.
    await client.request("$JS.API.INFO", timeout=10)
    try:
        yield heard
    finally:
        await client.close()


def sequences(heard: list[Msg]) -> list[int]:
    return [int((message.headers or {})["Nats-Sequence"]) for message in heard]


async def test_what_the_log_refused_is_told_to_nobody(
    fresh_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard:
        await log.publish(make_outgoing(identity="first"))
        await log.publish(make_outgoing(identity="first"))
        with pytest.raises(ConflictError):
            await log.publish(make_outgoing(expect=Expect(sequence=77)))
        with pytest.raises(ConflictError):
            await log.publish_batch([make_outgoing(), make_outgoing(expect=Expect(sequence=0))])
        with pytest.raises(DuplicateError):
            await log.publish_batch([make_outgoing(), make_outgoing(identity="first")])
        unfinished = {"Nats-Batch-Id": "unfinished", "Nats-Batch-Sequence": "1"}
        await connection.request(READY, b"{}", headers=unfinished, within=5)
        last = await log.publish(make_outgoing())

        await eventually(lambda: last.sequence in sequences(heard))
        assert sequences(heard) == [1, last.sequence] == [1, 2]


async def test_a_batch_is_told_whole_once_it_is_stored(fresh_nats: NatsServer, log: EventLog) -> None:
    batch = [make_outgoing(release=number) for number in range(1, 4)]
    async with listening(fresh_nats.url, subjects.told("slipway.team.>")) as heard:
        await log.publish_batch(batch)

        await eventually(lambda: len(heard) == 3)
        assert [parse("release.ready.v1", each.data) for each in heard] == [each.message for each in batch]
        assert sequences(heard) == [1, 2, 3]


async def test_a_told_message_is_the_stored_one_with_its_place(fresh_nats: NatsServer, log: EventLog) -> None:
    outgoing = make_outgoing()
    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard:
        receipt = await log.publish(outgoing)
        await eventually(lambda: bool(heard))

    (told,) = heard
    headers = told.headers or {}
    stored = await log.get(receipt.sequence)
    assert stored is not None
    assert told.subject == subjects.told(stored.subject)
    assert told.data == stored.data
    assert Envelope.from_headers(headers) == stored.envelope
    assert (headers["Nats-Stream"], headers["Nats-Subject"]) == ("SLIPWAY", stored.subject)


async def test_messages_of_many_writers_are_told_in_the_order_of_the_log(
    fresh_nats: NatsServer, log: EventLog
) -> None:
    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard:
        await asyncio.gather(*(log.publish(make_outgoing(deployment=f"d{each % 7}")) for each in range(200)))

        await eventually(lambda: len(heard) == 200)
        assert sequences(heard) == list(range(1, 201))


async def test_who_was_away_sees_by_the_last_sequence_of_a_subject_that_it_missed_something(
    fresh_nats: NatsServer, log: EventLog
) -> None:
    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard:
        await log.publish(make_outgoing())
        await eventually(lambda: len(heard) == 1)
    missed = await log.publish(make_outgoing())

    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard_later:
        await log.publish(make_outgoing())
        await log.publish(make_outgoing(deployment="other"))
        await eventually(lambda: len(heard_later) == 2)

    before = [int((message.headers or {})["Nats-Last-Sequence"]) for message in heard_later]
    assert before == [missed.sequence, 0]
    assert sequences(heard) == [1]


async def test_an_installation_of_before_is_told_from_its_next_start_on(
    fresh_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    await log.publish(make_outgoing())
    for stream in STREAMS:
        config = (await call(connection, f"STREAM.INFO.{stream.name}", within=5))["config"]
        del config["republish"]
        await call(connection, f"STREAM.UPDATE.{stream.name}", config, within=5)

    await provision(connection)

    async with listening(fresh_nats.url, subjects.told("slipway.>")) as heard:
        await log.publish(make_outgoing())
        await eventually(lambda: sequences(heard) == [2])
