"""An export holds one page of entries, however long the audit is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from slipway_api.reading.paging import LARGEST_PAGE
from slipway_api.routes.audit import lines
from slipway_contracts.envelope import Origin
from slipway_store.audit_reads import AuditRow


def page(behind: int, rows: int) -> list[AuditRow]:
    return [
        AuditRow(
            sequence=behind + number,
            id=f"e{behind + number}",
            type="command.stop.v1",
            group="default",
            deployment="digits",
            time=datetime(2026, 1, 1, tzinfo=UTC),
            origin=Origin(user="ada", request="r"),
            details=None,
            refused=None,
        )
        for number in range(1, rows + 1)
    ]


async def test_the_next_page_is_read_when_the_one_before_was_taken() -> None:
    asked: list[int | None] = []

    async def fetch(behind: int | None, limit: int) -> Sequence[AuditRow]:
        asked.append(behind)
        return page(behind or 0, limit if len(asked) < 3 else 7)

    told = lines(fetch, page(0, LARGEST_PAGE))
    begin = await anext(told)
    before = list(asked)
    chunks = [begin, *[chunk async for chunk in told]]

    assert before == []
    assert asked == [LARGEST_PAGE, 2 * LARGEST_PAGE, 3 * LARGEST_PAGE]
    assert [len(chunk.splitlines()) for chunk in chunks] == [*3 * [LARGEST_PAGE], 7]


async def test_a_page_that_is_not_full_is_the_last() -> None:
    async def fetch(behind: int | None, limit: int) -> Sequence[AuditRow]:
        raise AssertionError(f"{limit} more behind {behind} were asked for")

    assert [chunk.count(b"\n") async for chunk in lines(fetch, page(0, 3))] == [3]
    assert [chunk async for chunk in lines(fetch, [])] == []
