"""Indexes made after their tables were filled, which costs a fraction of keeping them up row by row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from slipway_store.records import (
    ALIAS_CHANGE,
    DEPLOYMENT,
    EVENT,
    METADATA,
    OPERATION,
    RELEASE,
    quoted,
)

from slipway_projector.database import LONGEST_SECONDS

_OF: Final = tuple(record.table for record in (EVENT, DEPLOYMENT, METADATA, OPERATION, RELEASE, ALIAS_CHANGE))
"""The tables whose rows are found by their keys alone while messages are folded."""
_FOUND: Final = """
    select quote_ident(nspname) || '.' || quote_ident(relname) as name, pg_get_indexdef(indexrelid) as made
    from pg_index join pg_class on pg_class.oid = indexrelid
    join pg_namespace on pg_namespace.oid = relnamespace
    where indrelid = any($1::text[]::regclass[]) and not indisprimary and not indisunique
    order by name
"""


@asynccontextmanager
async def late_indexes(connection: asyncpg.Connection, schema: str) -> AsyncIterator[None]:
    """Drop the indexes that are no keys; make them again at the end of the body, unless that fails."""
    tables = [f"{quoted(schema)}.{quoted(table)}" for table in _OF]
    found = await connection.fetch(_FOUND, tables)
    for index in found:
        await connection.execute(f"drop index {index['name']}")
    yield
    await connection.execute("set maintenance_work_mem to '256MB'")
    for index in found:
        await connection.execute(index["made"], timeout=LONGEST_SECONDS)
    await connection.execute("reset maintenance_work_mem")
    for table in tables:
        await connection.execute(f"analyze {table}", timeout=LONGEST_SECONDS)
