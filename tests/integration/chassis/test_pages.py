"""Pages of the log: in order, bounded, and without gap or repeat across a restart of the server."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from log_messages import make_outgoing
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Page
from slipway_chassis.nats_client import Msg
from slipway_chassis.provision import provision
from slipway_contracts.envelope import new_id
from slipway_contracts.events import BuildStepStarted

EVERYTHING = "slipway.>"
LARGE = 1 << 20
INTERCEPTED = """
mappings = {
  "$JS.API.CONSUMER.MSG.NEXT.SLIPWAY.*": "asked.{{wildcard(1)}}"
  "allowed.*": "$JS.API.CONSUMER.MSG.NEXT.SLIPWAY.{{wildcard(1)}}"
}
"""


async def pages(
    log: EventLog, *, subject: str = EVERYTHING, after: int = 0, most: int = 256, size: int = LARGE
) -> list[Page]:
    reading = log.pages(subject, after=after, most=most, size=size)
    async with aclosing(reading) as found:
        return [page async for page in found]


def sequences(found: list[Page]) -> list[int]:
    return [stored.sequence for page in found for stored in page.messages]


async def publish(log: EventLog, count: int, **overrides: Any) -> None:
    for _ in range(count):
        await log.publish(make_outgoing(**overrides))


async def test_pages_hold_no_more_messages_than_wished_for(log: EventLog) -> None:
    await publish(log, 7)

    found = await pages(log, most=3)

    assert sequences(found) == list(range(1, 8))
    assert [len(page.messages) for page in found] == [3, 3, 1]
    assert [page.more for page in found] == [True, True, False]


async def test_a_page_begins_behind_a_position_and_holds_its_filter_only(log: EventLog) -> None:
    for deployment in ("digits", "other", "digits", "other", "digits"):
        await log.publish(make_outgoing(deployment=deployment))

    assert sequences(await pages(log, subject="slipway.*.digits.>", after=1)) == [3, 5]
    assert sequences(await pages(log, subject="slipway.*.none.>")) == []
    assert sequences(await pages(log, after=5)) == []


@pytest.mark.parametrize("size", [1, 3_000])
async def test_a_page_holds_no_more_bytes_than_wished_for_or_one_message(log: EventLog, size: int) -> None:
    await publish(log, 30)

    found = await pages(log, size=size)

    assert sequences(found) == list(range(1, 31))
    assert len(found) > 1


async def test_a_message_that_is_larger_than_a_page_comes_alone(log: EventLog) -> None:
    large = BuildStepStarted(group="team", deployment="digits", build=new_id(), step="x" * 20_000)
    await publish(log, 1)
    await log.publish(make_outgoing(large))
    await publish(log, 1)

    found = await pages(log, size=1)

    assert sequences(found) == [1, 2, 3]


async def test_reading_goes_on_after_the_log_was_killed(log: EventLog, fresh_nats: Any) -> None:
    await publish(log, 5)
    reading = log.pages(EVERYTHING, after=0, most=2, size=LARGE)

    async with aclosing(reading) as found:
        first = await anext(found)
        fresh_nats.restart()
        rest = [page async for page in found]

    assert sequences([first, *rest]) == [1, 2, 3, 4, 5]


@pytest.fixture
async def intercepted(tmp_path: Path) -> AsyncIterator[Connection]:
    """A server that asks the test before it gives a page."""
    server = NatsServer(tmp_path / "intercepted", config=INTERCEPTED)
    server.start()
    connection = await Connection.open(url=server.url, user=None, password=None, name="test")
    await provision(connection)
    yield connection
    await connection.close()
    server.stop()


async def test_a_consumer_that_refuses_a_page_for_another_reason_than_its_size_is_replaced(
    intercepted: Connection,
) -> None:
    refusals = ["Message Size Exceeds MaxBytes", "Leadership Change", "Server Shutdown"]
    asked: list[str] = []

    async def answer(message: Msg) -> None:
        consumer = message.subject.removeprefix("asked.")
        asked.append(consumer)
        if refusals:
            headers = {"Status": "409", "Description": refusals.pop(0)}
            await intercepted.nc.publish(message.reply, headers=headers)
        else:
            await intercepted.nc.publish(f"allowed.{consumer}", message.data, reply=message.reply)

    await intercepted.nc.subscribe("asked.*", cb=answer)
    log = EventLog(connection=intercepted)
    await publish(log, 5)

    found = await pages(log, most=2)

    assert asked[0] == asked[1]
    assert len({*asked[1:4]}) == 3
    assert sequences(found) == [1, 2, 3, 4, 5]
    assert all(page.messages for page in found)
