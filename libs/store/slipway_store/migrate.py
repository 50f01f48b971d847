"""Brings a database to the tables of this release: `python -m slipway_store.migrate`.

Loads Alembic only when there is something to do, so that a start on a current database costs milliseconds.
"""

import asyncio
import os
import sys
import time
from typing import Final

import asyncpg

from slipway_store.connections import UNAVAILABLE, connect, is_refusal, schema_name
from slipway_store.schema import HEAD, SCHEMA

URL_VARIABLE: Final = "SLIPWAY_DATABASE_URL"
_WAIT_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.1


async def upgrade(url: str, *, schema: str = SCHEMA) -> bool:
    """Bring the tables in `schema` to this release; return whether anything was done.

    May be repeated, and raced by several processes: one works, the others wait for it.

    Raises:
        asyncpg.PostgresError: Postgres refused a statement.
        OSError: Postgres was not reached.
    """
    connection = await connect(url, schema=schema)
    try:
        if await revision(connection, schema=schema) == HEAD:
            return False
    finally:
        await connection.close()
    from slipway_store import alembic_commands  # noqa: PLC0415 - a second of imports, rarely needed

    await alembic_commands.upgrade(url, schema)
    return True


async def revision(connection: asyncpg.Connection, *, schema: str = SCHEMA) -> str | None:
    """Return the migration that the tables in `schema` stand at; None: there are no tables."""
    table = f'"{schema_name(schema)}".alembic_version'
    if await connection.fetchval("select to_regclass($1)", table) is None:
        return None
    found: str | None = await connection.fetchval(f"select version_num from {table}")  # noqa: S608
    return found


async def _upgrade_when_up(url: str) -> bool:
    """Upgrade, waiting for a Postgres that is still starting."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return await upgrade(url)
        except UNAVAILABLE as error:
            if is_refusal(error) or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


def main() -> int:
    """Upgrade the database that SLIPWAY_DATABASE_URL names; return the exit code."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        sys.stderr.write(f"{URL_VARIABLE} is not set; it names the database, as postgresql://user@host/db\n")
        return 2
    try:
        done = asyncio.run(_upgrade_when_up(url))
    except (asyncpg.PostgresError, ValueError, *UNAVAILABLE) as error:
        sys.stderr.write(
            f"the database of {URL_VARIABLE} was not migrated: {error or type(error).__name__}\n"
        )
        return 1
    sys.stdout.write(f"the tables {'were brought to' if done else 'stand at'} {HEAD}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
