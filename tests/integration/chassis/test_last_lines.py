"""The last lines of a log, over as many messages as they lie in."""

import asyncio
from datetime import UTC, datetime

import pytest
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import publish
from slipway_chassis.log_lines import LogLinePublisher, last_lines
from slipway_contracts import subjects
from slipway_contracts.log_lines import LogLine, LogStream
from slipway_contracts.topology import LOG_LINES

SUBJECT = subjects.replica_log("team", "digits", "a" * 16, "0-1")
OTHER = subjects.replica_log("team", "letters", "b" * 16, "0-1")


@pytest.fixture
def lines(connection: Connection) -> EventLog:
    return EventLog(connection=connection, stream=LOG_LINES.name, read_timeout=1.0)


async def say(connection: Connection, *texts: str, subject: str = SUBJECT) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    said = tuple(LogLine(at=at, stream=LogStream.STDOUT, text=text) for text in texts)
    await LogLinePublisher(connection=connection, subject=subject).publish(said)


async def test_a_replica_that_wrote_nothing_has_no_last_lines(
    connection: Connection, lines: EventLog
) -> None:
    await say(connection, "hello", subject=OTHER)

    assert await last_lines(lines, SUBJECT) == ()


async def test_lines_of_the_messages_before_the_last_one_belong_to_the_last_lines(
    connection: Connection, lines: EventLog
) -> None:
    await say(connection, "Traceback (most recent call last):", "ValueError: bad weights")
    await say(connection, "GET /predict 500")

    assert await last_lines(lines, SUBJECT) == (
        "Traceback (most recent call last):",
        "ValueError: bad weights",
        "GET /predict 500",
    )


async def test_no_more_lines_come_than_were_asked_for(connection: Connection, lines: EventLog) -> None:
    for number in range(0, 12, 3):
        await say(connection, *(str(each) for each in range(number, number + 3)))

    assert await last_lines(lines, SUBJECT, most=4) == ("8", "9", "10", "11")


async def test_lines_are_found_behind_many_messages_of_other_replicas(
    connection: Connection, lines: EventLog
) -> None:
    await say(connection, "the cause")
    await asyncio.gather(*(say(connection, "noise", subject=OTHER) for _ in range(600)))
    await say(connection, "the end")
    await asyncio.gather(*(say(connection, "noise", subject=OTHER) for _ in range(300)))

    assert await last_lines(lines, SUBJECT) == ("the cause", "the end")


async def test_a_message_of_a_newer_release_hides_no_lines_of_the_others(
    connection: Connection, lines: EventLog
) -> None:
    newer = b'{"lines": [{"at": "2026-01-01T00:00:00Z", "stream": "console", "text": "?"}]}'
    await say(connection, "before")
    await publish(connection, SUBJECT, newer, headers={}, within=5)

    assert await last_lines(lines, SUBJECT) == ("before",)


async def test_a_log_that_does_not_answer_is_not_waited_for(
    fresh_nats: NatsServer, connection: Connection, lines: EventLog
) -> None:
    await say(connection, "hello")
    await asyncio.to_thread(fresh_nats.kill9)

    with pytest.raises(LogUnavailableError):
        await last_lines(lines, SUBJECT)
