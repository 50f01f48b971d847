"""Fills empty tables from a snapshot: with its rows, or, where another fold made these, with its messages.

The rows of `event` are the messages of the log as they came, so a snapshot outlives the fold that made it.
"""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog
from slipway_chassis.stored import nameless_id
from slipway_contracts.codec import MESSAGE_TYPES, AnyMessage, UnknownMessageError, parse
from slipway_contracts.envelope import Origin
from slipway_store.records import EVENT, RECORDS, Column, Record, quoted

from slipway_projector.database import LONGEST_SECONDS
from slipway_projector.ledger import Ledger
from slipway_projector.logged import Logged, read
from slipway_projector.upkeep.snapshot import GZIP, Manifest, Part, SnapshotError, checked

_BATCH: Final = 10_000
_QUOTE: Final = "\x01"
_DELIMITER: Final = "\x02"
"""No line of JSON has these characters: each is one value as it stands."""
_TABLES: Final = {record.table: record for record in RECORDS}
_ARCHIVE: Final = "archived"
_NAMES: Final = ", ".join(quoted(column.name) for column in EVENT.columns)
_PAGE: Final = f"select {_NAMES} from {_ARCHIVE} where sequence > $1 order by sequence limit $2"  # noqa: S608


async def load_rows(
    connection: asyncpg.Connection, blobs: BlobStore, manifest: Manifest, schema: str
) -> None:
    """Fill the empty tables of `schema` with the rows, checkpoint included.

    Raises:
        SnapshotError: a part was changed, or its rows are not as many as the manifest says.
        BlobMissingError: a part is not stored.
    """
    for part in manifest.parts:
        record = _TABLES[part.table]
        await _copy(connection, blobs, part, record, f"{quoted(schema)}.{quoted(record.table)}")


async def fold_messages(
    connection: asyncpg.Connection, log: EventLog, blobs: BlobStore, manifest: Manifest, ledger: Ledger
) -> None:
    """Fold the messages into the tables of the ledger; raises as `load_rows` does.

    What an older release could not read has not gone from the log: it is read there anew.
    """
    await connection.execute(f"drop table if exists pg_temp.{_ARCHIVE}")
    await connection.execute(f"create temp table {_ARCHIVE} as select * from event with no data")  # noqa: S608
    for part in manifest.parts:
        if part.table == EVENT.table:
            await _copy(connection, blobs, part, EVENT, _ARCHIVE)
    await connection.execute(f"create index on {_ARCHIVE} (sequence)", timeout=LONGEST_SECONDS)
    while found := await connection.fetch(_PAGE, ledger.checkpoint.sequence, _BATCH):
        await ledger.write([await _read_anew(log, _logged(row)) for row in found])
    await connection.execute(f"drop table {_ARCHIVE}")


async def _copy(
    connection: asyncpg.Connection, blobs: BlobStore, part: Part, record: Record[Any], table: str
) -> None:
    """Copy the rows of a part into a table that has at least the columns of the record."""
    names = ", ".join(quoted(column.name) for column in record.columns)
    values = ", ".join(_value(column) for column in record.columns)
    async with _rows_expected(part), connection.transaction():
        await connection.execute("create temp table staged (line json) on commit drop")
        await connection.copy_to_table(
            "staged",
            source=_lines(blobs, part),
            format="csv",
            quote=_QUOTE,
            delimiter=_DELIMITER,
            timeout=LONGEST_SECONDS,
        )
        done = await connection.execute(
            f"insert into {table} ({names}) select {values} "  # noqa: S608
            f"from staged, json_populate_record(null::{quoted(record.table)}, line)",
            timeout=LONGEST_SECONDS,
        )
        if done != f"INSERT 0 {part.rows}":
            raise SnapshotError(
                f"the blob {part.digest} should hold {part.rows} rows, not {done.split()[-1]}"
            )


def _value(column: Column) -> str:
    """Return the value of a column: a null of JSON is one, where the column takes no other."""
    name = quoted(column.name)
    if column.type != "jsonb" or column.nullable:
        return name
    return f"coalesce({name}, (line -> '{column.name}')::jsonb)"


@asynccontextmanager
async def _rows_expected(part: Part) -> AsyncIterator[None]:
    try:
        yield
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise SnapshotError(f"the blob {part.digest} holds no rows of {part.table}: {error}") from error


async def _lines(blobs: BlobStore, part: Part) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(wbits=GZIP)
    async for chunk in checked(blobs.open(part.digest), part.digest):
        try:
            yield unpacker.decompress(chunk)
        except zlib.error as error:
            raise SnapshotError(
                f"the blob {part.digest} holds other bytes; bring it back from a backup"
            ) from error
    yield unpacker.flush()


def _logged(row: asyncpg.Record) -> Logged:
    """Return the message of a row as it was when it came from the log."""
    origin = row["origin"]
    values = {name: row[name] for name in row.keys() if name != "origin"}  # noqa: SIM118 - no mapping
    return Logged(
        **values,
        origin=Origin.model_validate_json(origin) if origin is not None else None,
        message=_message(row),
    )


def _message(row: asyncpg.Record) -> AnyMessage | None:
    """Return the typed body; None for a message that was stored without being folded."""
    if row["type"] not in MESSAGE_TYPES or row["id"] == nameless_id(row["sequence"]):
        return None
    try:
        return parse(row["type"], row["body"].encode())
    except UnknownMessageError:
        return None


async def _read_anew(log: EventLog, logged: Logged) -> Logged:
    """Return a message as the log has it, where the snapshot has it unfolded only."""
    if logged.message is not None:
        return logged
    stored = await log.get(logged.sequence)
    return logged if stored is None else read(stored)
