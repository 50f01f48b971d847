"""Makes the tables anew from the log, beside those in use, with the same fold.

Never changes the tables in use, except to exchange them as a whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import asyncpg
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError, SlipwayError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.logs import get_logger
from slipway_chassis.truncation import whole_from
from slipway_store.connections import connect, schema_name
from slipway_store.migrate import revision, upgrade
from slipway_store.records import RECORDS, quoted
from slipway_store.schema import SCHEMA

from slipway_projector.database import LONGEST_SECONDS, Database
from slipway_projector.ledger import Ledger
from slipway_projector.logged import Logged, read
from slipway_projector.rebuilds.comparison import Difference, compare, count
from slipway_projector.rebuilds.late_indexes import late_indexes
from slipway_projector.rebuilds.part import ENDED, NONE_AT_WORK
from slipway_projector.rebuilds.parts import fold_in_parts
from slipway_projector.upkeep.snapshot import SnapshotError
from slipway_projector.upkeep.snapshot_reading import fold_messages, load_rows
from slipway_projector.upkeep.snapshots import TRIES_ANOTHER, Beginnings, beginnings

_BATCH: Final = 10_000
_REPLACED: Final = f"{SCHEMA}_replaced"
_GIVES_WAY_MILLISECONDS: Final = 100
_ONLY_ONE: Final = "select pg_try_advisory_lock(hashtextextended('slipway rebuild', 0))"
"""Two at once, into whatever schemas, would take each other's place in the swap."""
_log: Final = get_logger()


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
        """Compare with the tables in use, at one position of the log.

        Their writer waits until both stand there; they are compared as they were then.

        Raises:
            RebuildError: the tables in use do not hold yet what these do.
        """
        await catch_up(self._log, self._ledger, until=await position(self._url))
        async with (
            _connected(self._url) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            async with _connected(self._url) as holder, holder.transaction():
                live = await _hold_writer(holder)
                if live < self._ledger.checkpoint.sequence:
                    raise RebuildError(
                        f"the tables in use stand at {live}, the rebuilt ones already at "
                        f"{self._ledger.checkpoint.sequence}; let the projector catch up, and repeat"
                    )
                await catch_up(self._log, self._ledger, until=live)
                # The first statement fixes what the transaction sees.
                await connection.execute("select 1")
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
            await _drop_replaced(connection)


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

    Of a truncated log: from the newest snapshot in `blobs` that can be read, and what came after that, if
    the log has all of it. With several `parts`, as many processes with this one's environment fold a log
    that is whole side by side.

    Raises:
        RebuildError: another process rebuilds, or `schema` is in use or holds something else.
        SnapshotError: the log is truncated, and no snapshot can be read that holds what is missing.
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
        found = await beginnings(log, blobs)
        await empty(holder, url, schema)
        async with database.connection() as connection:
            async with late_indexes(connection, schema):
                if found is not None:
                    ledger = await _begun(connection, log, url, schema, found)
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


async def _begun(
    connection: asyncpg.Connection, log: EventLog, url: str, schema: str, found: Beginnings
) -> Ledger:
    """Let empty tables stand where a snapshot does: the newest that can be read.

    Of one of another fold or form only the messages are taken, and of one whose other parts are damaged.

    Raises:
        SnapshotError: none can be read.
    """
    reader = await connect(url, schema=schema, statement_seconds=LONGEST_SECONDS)
    try:
        for manifest in found.manifests:
            for by_rows in (True, False) if manifest.is_of_this_release else (False,):
                try:
                    if by_rows:
                        await load_rows(reader, found.blobs, manifest, schema)
                    ledger = await Ledger.open(connection)
                    if not by_rows:
                        await fold_messages(reader, log, found.blobs, manifest, ledger)
                except (SnapshotError, BlobMissingError) as error:
                    _log.warning(TRIES_ANOTHER, sequence=manifest.sequence, because=str(error))
                    found.problems.append(str(error))
                    await connection.execute(f"truncate {', '.join(_tables(schema))}")
                else:
                    return ledger
    finally:
        await reader.close()
    raise found.none_left()


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


async def _drop_replaced(connection: asyncpg.Connection) -> None:
    """Drop the tables that were in use, once the statements that began on them have ended.

    These lock several tables one after the other, as this does: of two that wait for each other it must be
    this one that gives way, before Postgres chooses.
    """
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout to {_GIVES_WAY_MILLISECONDS}")
                await connection.execute(f'drop schema if exists "{_REPLACED}" cascade')
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(_GIVES_WAY_MILLISECONDS / 1000)
        else:
            return


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
