"""Pages of the log: in order, bounded, and without gap or repeat across a restart of the server."""

from contextlib import aclosing
from typing import Any

import pytest
from log_messages import make_outgoing
from slipway_chassis.event_log import EventLog, Page
from slipway_contracts.envelope import new_id
from slipway_contracts.events import BuildStepStarted

EVERYTHING = "slipway.>"
LARGE = 1 << 20


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
