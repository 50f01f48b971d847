"""Fills a database with as many deployments as asked for, as the projector would have left them.

Takes rows of the product's own fold as patterns and varies what lists filter, search and sort by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from log_script import Script
from memory_projection import as_logged, project
from slipway_store.records import DEPLOYMENT, RELEASE, Record, quoted

SMALL: Final = 100
FREQUENT: Final = "model"
_FILLED: Final = ("deployment", "deployment_metadata", "release")
_HISTORY: Final = 100
_LARGEST_SHARE_WITH_HISTORY: Final = 500
_WORDS: Final = (
    FREQUENT,
    *(first + second for first in ("ro", "mi", "ta", "ke", "lu", "sa", "vo", "ni", "pe", "du", "gri", "fla",
      "sto", "bre", "cho", "que", "zan") for second in ("nda", "lor", "mek", "pis", "tun", "ver", "wal",
      "xon", "yas", "zed", "bur", "cat", "dol", "fin", "gam", "hul", "jin", "kop")),
)  # fmt: skip
# Words as texts have them: a few are in most, most are in few. The first is in about every second.
_WORD: Final = "($2::text[])[1 + floor(array_length($2::text[], 1) * power({}, 3))::int]"
_PAIRS: Final = """
    insert into deployment_metadata ("group", deployment, key, pair, sequence)
    select "group", id, key, key || '=' || value, sequence from deployment, jsonb_each_text(metadata)
"""
_RANDOM: Final = "(abs(hashint8(n * 1000003 + {})::bigint) % 100003) / 100003.0"


@dataclass(frozen=True)
class Filling:
    """What is in a filled database."""

    deployments: int

    @property
    def groups(self) -> int:
        """Of twenty deployments each, until there are two hundred groups; users and teams likewise."""
        return max(5, min(200, self.deployments // 20))

    @property
    def with_history(self) -> tuple[str, str]:
        """A deployment with many releases."""
        return "history", "number-1"

    label: Final[str] = "20260101.1"
    frequent: Final[str] = FREQUENT[:4]

    @property
    def unique(self) -> str:
        """The beginning of a word that one deployment has."""
        return f"{self.deployments // 2:07d}"

    def group(self, number: int) -> str:
        """Return the name of a group."""
        return f"group-{number:03d}"

    def team(self, number: int) -> str:
        """Return a value that some deployments have in their metadata."""
        return f"team-{number:03d}"

    def user(self, number: int) -> str:
        """Return the name of a user."""
        return f"user-{number:03d}"


async def fill(connection: asyncpg.Connection, deployments: int) -> Filling:
    """Fill the tables of a migrated, empty database."""
    filling = Filling(deployments)
    indexes = await _without_indexes(connection)
    await _fill_deployments(connection, filling)
    await _fill_releases(connection, filling)
    for definition in indexes:
        await connection.execute(definition)
    for table in _FILLED:
        await connection.execute(f"vacuum (analyze) {table}")
    return filling


async def _without_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drop the indexes that are no keys; return how to make them again."""
    found = await connection.fetch(
        "select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index "
        "where indrelid = any($1::text[]::regclass[]) and not indisprimary",
        list(_FILLED),
    )
    for row in found:
        await connection.execute(f"drop index {row['name']}")
    return [row["definition"] for row in found]


async def _fill_deployments(connection: asyncpg.Connection, filling: Filling) -> None:
    words = [_WORD.format(_RANDOM.format(place)) for place in range(8)]
    count = filling.groups
    identifier = f"{words[0]} || '-' || {words[1]} || '-' || to_char(n, 'FM0000000')"
    description = f"concat_ws(' ', {', '.join(words[2:])})"
    state = "case when n % 20 = 7 then 'DELETED' when (n / 7) % 5 = 3 then 'STOPPED' else 'DEPLOYED' end"
    metadata = (
        f"jsonb_build_object('team', 'team-' || to_char((n / {count}) % {count}, 'FM000'), "
        "'tier', case when n % 3 = 0 then 'prod' else 'dev' end, 'cost-center', (n % 50)::text)"
    )
    varied = {
        "group": f"'group-' || to_char(n % {count}, 'FM000')",
        "id": identifier,
        "name": identifier,
        "description": description,
        "words": f"replace({identifier}, '-', ' ') || ' ' || {description}",
        "metadata": metadata,
        "state": state,
        "listed": "n % 20 <> 7",
        "target": "case when n % 4 = 0 then 'farm' else 'local' end",
        "created_by": f"'user-' || to_char((n / {7 * count}) % {count}, 'FM000')",
        "created_at": "t.created_at + n * interval '31 seconds'",
        "changed_at": f"t.created_at + n * interval '31 seconds' + {_RANDOM.format(9)} * interval '300 days'",
        "sequence": "n * 40",
        # No list reads them, and they are large enough to lie outside of the table.
        "facts": "'{}'",
    }
    await _multiply(connection, DEPLOYMENT, varied, filling.deployments)
    await connection.execute(_PAIRS)


async def _fill_releases(connection: asyncpg.Connection, filling: Filling) -> None:
    """Give some deployments a long history."""
    owners = max(1, filling.deployments // _LARGEST_SHARE_WITH_HISTORY)
    varied = {
        "group": "'history'",
        "deployment": f"'number-' || (1 + n % {owners})",
        "number": f"1 + n / {owners}",
        "operation": "n::text",
        "created_at": "t.created_at + n * interval '1 minute'",
    }
    await _multiply(connection, RELEASE, varied, owners * _HISTORY)


async def _multiply(
    connection: asyncpg.Connection, record: Record[Any], varied: Mapping[str, str], rows: int
) -> None:
    """Write a row of the fold many times, with some columns varied by the number `n`."""
    script = Script()
    script.deployed()
    (pattern,) = project(as_logged(script.messages))[record.table]
    await connection.execute(record.upsert, *record.arrays([pattern]))
    columns = [column.name for column in record.columns]
    values = ", ".join(varied.get(name, f"t.{quoted(name)}") for name in columns)
    names = ", ".join(map(quoted, columns))
    await connection.execute(
        f"create temporary table pattern on commit preserve rows as {record.select}; "
        f"truncate {quoted(record.table)}"
    )
    await connection.execute(
        f"insert into {quoted(record.table)} ({names}) "  # noqa: S608
        f"select {values} from generate_series(0, $1::bigint - 1) as n cross join pattern as t "
        "where $2::text[] is not null",
        rows,
        list(_WORDS),
    )
    await connection.execute("drop table pattern")
