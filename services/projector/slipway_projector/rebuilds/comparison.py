"""Compares two schemas by content, row by row."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from slipway_store.connections import schema_name
from slipway_store.records import RECORDS, Record, quoted

_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Difference:
    """Rows of a table that only one of two schemas has; a row that differs counts in both.

    Attributes:
        table: the table.
        only_first: how many rows only the first schema has.
        only_second: how many rows only the second schema has.
        examples: some of their keys.
    """

    table: str
    only_first: int
    only_second: int
    examples: tuple[tuple[object, ...], ...]

    def __str__(self) -> str:
        keys = ", ".join("/".join(str(part) for part in key) for key in self.examples)
        return f"{self.table}: {self.only_first} against {self.only_second} rows differ, as {keys}"


async def compare(connection: asyncpg.Connection, first: str, second: str) -> list[Difference]:
    """Return where the tables of two schemas differ; empty when they hold the same."""
    found = [await _compare(connection, record, first, second) for record in RECORDS]
    return [difference for difference in found if difference is not None]


async def count(connection: asyncpg.Connection, schema: str) -> dict[str, int]:
    """Return the number of rows per table."""
    return {
        record.table: await connection.fetchval(f"select count(*) from {_table(record, schema)}")  # noqa: S608
        for record in RECORDS
    }


async def _compare(
    connection: asyncpg.Connection, record: Record[Any], first: str, second: str
) -> Difference | None:
    only_first = await _only(connection, record, first, second)
    only_second = await _only(connection, record, second, first)
    if not only_first and not only_second:
        return None
    examples = {tuple(row.values())[1:]: None for row in (*only_first, *only_second)}
    return Difference(record.table, _count(only_first), _count(only_second), tuple(examples))


def _count(examples: list[asyncpg.Record]) -> int:
    return examples[0]["rows"] if examples else 0


async def _only(
    connection: asyncpg.Connection, record: Record[Any], here: str, there: str
) -> list[asyncpg.Record]:
    """Return some rows that only one of two schemas has, each with the number of all such rows."""
    columns = ", ".join(quoted(column.name) for column in record.columns)
    keys = ", ".join(quoted(name) for name in record.key)
    rows = (
        f"select {columns} from {_table(record, here)} "  # noqa: S608
        f"except select {columns} from {_table(record, there)}"
    )
    found = f"select count(*) over () as rows, {keys} from ({rows}) as only_here"  # noqa: S608
    return await connection.fetch(f"{found} order by {keys} limit {_EXAMPLES}")


def _table(record: Record[Any], schema: str) -> str:
    return f"{quoted(schema_name(schema))}.{quoted(record.table)}"
