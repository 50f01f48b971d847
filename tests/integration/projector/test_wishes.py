"""How far is meant: a sequence, a time or an age, by the clock of the server."""

from datetime import timedelta

import pytest
from log_messages import make_outgoing
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_projector.upkeep.log_state import LogState, first_since
from slipway_projector.upkeep.wishes import sequence_of


async def written(log: EventLog, connection: Connection, count: int = 9) -> LogState:
    for release in range(count):
        await log.publish(make_outgoing(release=release + 1))
    return await LogState.read(connection)


async def test_the_first_message_since_a_moment_is_found_also_where_others_are_gone(
    log: EventLog, connection: Connection
) -> None:
    state = await written(log, connection)
    times = {stored.sequence: stored.time async for stored in log.read("slipway.>", after=0)}

    found = [await first_since(log, times[each], end=state.last) for each in times]
    later = await first_since(log, state.at + timedelta(hours=1), end=state.last)
    earlier = await first_since(log, state.at - timedelta(hours=1), end=state.last)

    assert found == list(times)
    assert (earlier, later) == (1, 10)
    assert (state.first, state.last, state.messages) == (1, 9, 9)


@pytest.mark.parametrize(("text", "sequence"), [("4", 4), ("99999", 10), ("1h", 1), ("0s", 10)])
async def test_a_wish_is_a_sequence_or_an_age(
    log: EventLog, connection: Connection, text: str, sequence: int
) -> None:
    state = await written(log, connection)

    assert await sequence_of(text, log, state) == sequence


async def test_a_wish_is_a_time(log: EventLog, connection: Connection) -> None:
    state = await written(log, connection)
    (fifth,) = [stored.time async for stored in log.read("slipway.>", after=4) if stored.sequence == 5]

    assert await sequence_of(fifth.isoformat(), log, state) == 5


@pytest.mark.parametrize("text", ["", "-1", "tomorrow", "2026-01-31", "2026-01-31T12:00:00", "3 days", "5y"])
async def test_anything_else_is_refused_with_what_is_possible(
    log: EventLog, connection: Connection, text: str
) -> None:
    state = await written(log, connection, 1)

    with pytest.raises(ValueError, match="no sequence, as 4711, no time with its offset"):
        await sequence_of(text, log, state)


@pytest.mark.parametrize("text", ["999999d", "999999w"])
async def test_an_age_from_before_the_calendar_is_refused(
    log: EventLog, connection: Connection, text: str
) -> None:
    state = await written(log, connection, 1)

    with pytest.raises(ValueError, match=f"{text!r} is older than the calendar"):
        await sequence_of(text, log, state)
