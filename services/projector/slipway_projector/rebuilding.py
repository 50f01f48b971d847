"""Makes the tables anew from the log, beside those in use, with the same fold.

Never changes the tables in use, except to exchange them as a whole.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import asyncpg
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import SlipwayError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.truncation import whole_from
from slipway_store.connections import connect, schema_name
from slipway_store.migrate import revision, upgrade
from slipway_store.records import RECORDS, quoted
from slipway_store.schema import SCHEMA

from slipway_projector.comparison import Difference, compare, count
from slipway_projector.database import LONGEST_SECONDS, Database
from slipway_projector.late_indexes import late_indexes
from slipway_projector.ledger import Ledger
from slipway_projector.logged import Logged, read
from slipway_projector.part import ENDED, NONE_AT_WORK
from slipway_projector.parts import fold_in_parts
from slipway_projector.snapshot_reading import fold_messages, load_rows
from slipway_projector.snapshots import Found, beginning

_BATCH: Final = 10_000
_REPLACED: Final = f"{SCHEMA}_replaced"
_ONLY_ONE: Final = "select pg_try_advisory_lock(hashtextextended('slipway rebuild', 0))"
"""Two at once, into whatever schemas, would take each other's place in the swap."""


class RebuildError(SlipwayError):
    """The rebuild was refused before it changed anything."""


async def catch_up(log: EventLog, ledger: Ledger, *, until: int | None = None) -> None:
    """Fold the log behind the ledger's checkpoint to its present end, or to `until`."""
    if until is not None and until <= ledger.checkpoint.sequence:
        return
    batch: list[Logged] = []
    async with aclosing(log.follow(start=After(ledger.checkpoint.sequence))) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            batch.append(read(item))
            if len(batch) == _BATCH:
                await ledger.write(batch)
                batch = []
            if item.sequence == until:
                break
    if batch:
        await ledger.write(batch)


class Rebuild:
    """Tables made from the log, in a schema of their own; use `rebuilt`."""

    def __init__(self, *, log: EventLog, url: str, schema: str, ledger: Ledger) -> None:
        self._log = log
        self._url = url
        self._schema = schema
        self._ledger = ledger

    async def counts(self) -> dict[str, int]:
        """Return the number of rows per table."""
        async with _connected(self._url) as connection:
            return await count(connection, self._schema)

    async def differences(self) -> list[Difference]:
        """Compare with the tables in use, at one position of the log; their writer waits meanwhile."""
        await catch_up(self._log, self._ledger, until=await position(self._url))
        async with _connected(self._url) as connection, connection.transaction():
            live = await _hold_writer(connection)
            if live < self._ledger.checkpoint.sequence:
                raise RebuildError(
                    f"the tables in use stand at {live}, the rebuilt ones already at "
                    f"{self._ledger.checkpoint.sequence}; let the projector catch up, and repeat"
                )
            await catch_up(self._log, self._ledger, until=live)
            return await compare(connection, SCHEMA, self._schema)

    async def swap(self) -> None:
        """Put these tables in the place of those in use, in one transaction; readers see either.

        The projector finds its checkpoint moved and begins again there.
        """
        # What came while the tables were made: the writer need not wait for that.
        await catch_up(self._log, self._ledger)
        async with _connected(self._url) as connection:
            await connection.execute(f'drop schema if exists "{_REPLACED}" cascade')
            async with connection.transaction():
                if await revision(connection) is not None:
                    await _hold_writer(connection)
                    await catch_up(self._log, self._ledger)
                    await connection.execute(f'alter schema "{SCHEMA}" rename to "{_REPLACED}"')
                await connection.execute(f'alter schema "{self._schema}" rename to "{SCHEMA}"')
            await connection.execute(f'drop schema if exists "{_REPLACED}" cascade')


@asynccontextmanager
async def rebuilt(
    log: EventLog,
    url: str,
    *,
    schema: str,
    blobs: BlobStore | None = None,
    until: int | None = None,
    parts: int = 1,
) -> AsyncIterator[Rebuild]:
    """Make the tables anew in `schema`, which is emptied first, from the whole log or up to `until`.

    Of a truncated log: from its newest snapshot in `blobs`, and what came after that. With several `parts`,
    as many processes with this one's environment fold a log that is whole side by side.

    Raises:
        RebuildError: another process rebuilds, or `schema` is in use or holds something else.
        SnapshotError: the log is truncated, and its snapshot cannot be read.
    """
    database = Database(url=url, schema=schema_name(schema))
    async with _connected(url) as holder:
        if not await holder.fetchval(_ONLY_ONE):
            raise RebuildError("another process rebuilds these tables or verifies them; let it end")
        if not await holder.fetchval(NONE_AT_WORK):
            raise RebuildError("an interrupted rebuild has not ended yet; repeat this in a few seconds")
        if not await database.become_writer(holder):
            raise RebuildError(f"a projector writes into schema {schema!r}; stop it, or name another schema")
        await holder.execute(ENDED)
        found = await beginning(log, blobs)
        await empty(holder, url, schema)
        async with database.connection() as connection:
            async with late_indexes(connection, schema):
                if found is not None:
                    ledger = await _begun(connection, url, schema, found)
                else:
                    if parts > 1 and not await fold_in_parts(
                        log, connection, schema, parts=parts, until=until
                    ):
                        await connection.execute(f"truncate {', '.join(_tables(schema))}")
                    ledger = await Ledger.open(connection)
                begun = ledger.checkpoint.sequence
                await catch_up(log, ledger, until=until)
            if await whole_from(log) > begun + 1:
                raise RebuildError("the log was truncated meanwhile; nothing was changed, repeat it")
            yield Rebuild(log=log, url=url, schema=schema, ledger=ledger)


async def position(url: str) -> int:
    """Return the position of the tables in use."""
    async with _connected(url) as connection:
        found: int | None = await connection.fetchval(f'select sequence from "{SCHEMA}".checkpoint')  # noqa: S608
    return found or 0


async def discard(url: str, schema: str) -> None:
    """Drop rebuilt tables."""
    async with _connected(url) as connection:
        await _drop(connection, schema)


async def _begun(connection: asyncpg.Connection, url: str, schema: str, found: Found) -> Ledger:
    """Let empty tables stand where a snapshot does; one of another fold or form gives its messages only."""
    if found.manifest.is_of_this_release:
        await load_rows(connection, found.blobs, found.manifest, schema)
        return await Ledger.open(connection)
    ledger = await Ledger.open(connection)
    reader = await connect(url, schema=schema, statement_seconds=LONGEST_SECONDS)
    try:
        await fold_messages(reader, found.blobs, found.manifest, ledger)
    finally:
        await reader.close()
    return ledger


async def empty(connection: asyncpg.Connection, url: str, schema: str) -> None:
    """Make the tables of a schema, without rows.

    Raises:
        RebuildError: it holds the tables in use, or something else.
    """
    await _drop(connection, schema)
    await upgrade(url, schema=schema)


def _tables(schema: str) -> list[str]:
    return [f"{quoted(schema)}.{quoted(record.table)}" for record in RECORDS]


async def _drop(connection: asyncpg.Connection, schema: str) -> None:
    if schema == SCHEMA:
        raise RebuildError(f"schema {schema!r} holds the tables in use; name another, and swap it in")
    exists = await connection.fetchval("select 1 from pg_namespace where nspname = $1", schema)
    if exists and await revision(connection, schema=schema) is None:
        raise RebuildError(f"schema {schema!r} holds no tables of a projection; name another, or drop it")
    await connection.execute(f'drop schema if exists "{schema}" cascade')


async def _hold_writer(connection: asyncpg.Connection) -> int:
    """Let the writer of the tables in use wait until this transaction ends; return its position.

    A batch moves the checkpoint before it touches anything else: the writer waits there, holding nothing.
    """
    await connection.execute(f'lock table "{SCHEMA}".checkpoint in exclusive mode')
    found: int | None = await connection.fetchval(f'select sequence from "{SCHEMA}".checkpoint')  # noqa: S608
    return found or 0


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(url, statement_seconds=LONGEST_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()
