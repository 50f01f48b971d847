"""A page of the audit reads the rows that it shows, however long the log is and however old they are."""

from datetime import timedelta
from typing import Any, Final

import pytest
from slipway_contracts.envelope import Origin
from slipway_store.audit_reads import AuditWish
from slipway_store.queries import Reads
from slipway_store.records import EVENT
from slipway_store.rows import EventRow
from store_world import AT, SECOND, World

EVENTS: Final = 6_000
PAGE: Final = 51
ADA: Final = Origin(user="ada", address="192.0.2.7", request="r")
LATE: Final = EVENTS - 10
"""This one came into the log long after its time."""


def make_event(sequence: int) -> EventRow:
    return EventRow(
        sequence=sequence,
        id=f"e{sequence}",
        type="command.stop.v1",
        subject="slipway.g.digits.cmd.deployer.stop",
        group="quiet" if sequence % 100 == 0 else "busy",
        deployment="digits",
        source="/slipway/api",
        time=AT + (EVENTS // 2 if sequence == LATE else sequence) * SECOND,
        origin=ADA if sequence % 2 == 0 else None,
        body={"type": "command.stop.v1", "by": "ada"},
    )


@pytest.fixture
async def world(world: World) -> World:
    await world.write(EVENT, *(make_event(sequence) for sequence in range(1, EVENTS + 1)))
    await world.connection.execute("analyze event")
    return world


def wishes() -> list[AuditWish]:
    spans: list[dict[str, Any]] = [
        {"since": AT},
        {"since": AT + (EVENTS - 20) * SECOND},
        {"since": AT + timedelta(days=365)},
        {"until": AT + 200 * SECOND},
        {"since": AT + 2000 * SECOND, "until": AT + 2010 * SECOND},
        {"after": EVENTS - 20},
        {"after": EVENTS - 20, "since": AT},
        {},
    ]
    owners: list[dict[str, Any]] = [{}, {"groups": ["quiet"]}]
    ways = (False, True)
    return [
        AuditWish(**span, **owner, oldest_first=way) for span in spans for owner in owners for way in ways
    ]


async def plan(world: World, wish: AuditWish, behind: int | None) -> str:
    """Return how Postgres ran the statement of a page, prepared as the pool does."""
    wanted = wish.filter(behind)
    values = ", ".join(f"'{value}'" for value in wanted.arguments)
    order = f"order by {wish.order} limit {PAGE}"
    await world.connection.execute(f"prepare page as select origin, body from event{wanted} {order}")  # noqa: S608
    found = await world.connection.fetch(
        f"explain (analyze, costs off) execute page{f'({values})' if values else ''}"
    )
    await world.connection.execute("deallocate page")
    return "\n".join(str(line[0]) for line in found)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("behind", [None, EVENTS // 2])
async def test_no_page_of_a_time_reads_more_than_it_shows(
    world: World, mode: str, behind: int | None
) -> None:
    await world.connection.execute(f"set plan_cache_mode = {mode}")

    for wish in filter(lambda wish: wish.by_time, wishes()):
        told = await plan(world, wish, behind)

        assert "ix_event_asked" in told, told
        assert "Seq Scan" not in told, told
        assert "Sort" not in told, told
        assert "Rows Removed by Filter" not in told, told


async def test_no_page_without_a_time_reads_more_than_it_shows(world: World) -> None:
    for wish in wishes():
        told = await plan(world, wish, None)

        assert "ix_event_asked" in told, told
        assert "Seq Scan" not in told, told
        assert "Rows Removed by Filter" not in told, told


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.usefixtures("world")
async def test_pages_of_a_time_join_without_gap_and_in_its_order(reads: Reads, oldest_first: bool) -> None:
    since = AT + 2500 * SECOND
    wish = AuditWish(since=since, until=AT + 3500 * SECOND, oldest_first=oldest_first)

    found: list[int] = []
    while page := await reads.audit(wish, behind=found[-1] if found else None, limit=PAGE):
        found += [row.sequence for row in page]

    told = [make_event(sequence) for sequence in (*range(2500, 3500, 2), LATE)]
    expected = [row.sequence for row in sorted(told, key=lambda row: (row.time, row.sequence))]
    assert found == (expected if oldest_first else expected[::-1])


@pytest.mark.usefixtures("world")
async def test_the_oldest_come_first_where_they_are_wanted(reads: Reads) -> None:
    async def sequences(behind: int | None = None, **wish: Any) -> list[int]:
        rows = await reads.audit(AuditWish(oldest_first=True, **wish), behind=behind, limit=3)
        return [row.sequence for row in rows]

    assert await sequences() == [2, 4, 6]
    assert await sequences(6) == [8, 10, 12]
    assert await sequences(after=100, since=AT) == [102, 104, 106]
    assert await sequences(104, after=100) == [106, 108, 110]
