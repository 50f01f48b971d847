"""The projector's place in Postgres: one connection that is the only writer while it lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
from slipway_store.connections import UNAVAILABLE, connect
from slipway_store.migrate import revision
from slipway_store.schema import HEAD, SCHEMA

from slipway_projector.errors import NotMigratedError

REBUILT: Final = f"{SCHEMA}_rebuilt"
"""Where tables are made anew, before they are exchanged for those in use."""
LONGEST_SECONDS: Final = 24 * 3600.0
"""Of one statement over whole tables."""
_CLOSE_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the tables are."""

    url: str
    schema: str = SCHEMA

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Connect for the time of the body.

        Raises:
            NotMigratedError: the tables are not those of this release.
        """
        connection = await connect(self.url, schema=self.schema)
        try:
            # A commit may be lost with the server, never torn: the log still has it, the checkpoint tells.
            await connection.execute("set synchronous_commit to off")
            await self._require_tables(connection)
            yield connection
        finally:
            await _release(connection)

    async def _require_tables(self, connection: asyncpg.Connection) -> None:
        found = await revision(connection, schema=self.schema)
        if found != HEAD:
            raise NotMigratedError(
                f"the tables in schema {self.schema!r} stand at migration {found}, "
                f"this release needs {HEAD}; run `python -m slipway_store.migrate`"
            )

    async def become_writer(self, connection: asyncpg.Connection) -> bool:
        """Take the lock that the writer of these tables holds as long as its connection lives.

        It spares a standby useless work; what keeps two writers apart is the checkpoint.
        """
        query = "select pg_try_advisory_lock(hashtextextended('slipway projector ' || $1, 0))"
        taken: bool = await connection.fetchval(query, self.schema)
        return taken

    async def await_turn(self, connection: asyncpg.Connection, poll: timedelta) -> None:
        """Stand by until no other writer lives."""
        while not await self.become_writer(connection):  # noqa: ASYNC110 - the lock is in Postgres
            await asyncio.sleep(poll.total_seconds())


async def _release(connection: asyncpg.Connection) -> None:
    """Close the connection; its lock is given back at once, not when the server notices."""
    with suppress(asyncpg.PostgresError, *UNAVAILABLE):
        await connection.execute("select pg_advisory_unlock_all()", timeout=_CLOSE_SECONDS)
        await connection.close(timeout=_CLOSE_SECONDS)
    connection.terminate()
