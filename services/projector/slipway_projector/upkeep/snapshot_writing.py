"""Writes the tables of a schema that nobody changes meanwhile into the blob store, as a snapshot."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
from slipway_chassis.blobs import CHUNK, BlobStore
from slipway_contracts.topology import LOG
from slipway_store.records import CHECKPOINT, EVENT, RECORDS, Record, quoted
from slipway_store.schema import HEAD, PROJECTION

from slipway_projector.upkeep.snapshot import GZIP, Manifest, Part, SnapshotError, checked

EVENTS_A_PART: Final = 50_000
"""Sequences; rows of a part are some 10 MB."""
_LEVEL: Final = 3
_AT_ONCE: Final = 2_000
_ATTEMPTS: Final = 2


async def write_snapshot(
    connection: asyncpg.Connection, blobs: BlobStore, schema: str
) -> tuple[str, Manifest]:
    """Store all tables; return the manifest and its digest. The same tables give the same digest.

    Raises:
        SnapshotError: the tables are empty.
        StorageFullError: no space is left; what was stored already is used by the next snapshot.
    """
    await connection.execute("set timezone to 'UTC'")
    table = f"{quoted(schema)}.{quoted(CHECKPOINT.table)}"
    sequence = await connection.fetchval(f"select sequence from {table}")  # noqa: S608
    if not sequence:
        raise SnapshotError("the tables hold nothing yet: there is nothing to keep")
    parts: list[Part] = []
    for record, wanted in _cuts(sequence):
        rows = f"select from {quoted(schema)}.{quoted(record.table)} where {wanted}"
        if await connection.fetchval(f"select exists ({rows})"):
            parts.append(await _stored(connection, blobs, record, _select(record, schema, wanted)))
    manifest = Manifest(
        stream=LOG.name, sequence=sequence, projection=PROJECTION, migration=HEAD, parts=tuple(parts)
    )
    return await blobs.put(_whole(manifest.model_dump_json().encode())), manifest


async def _stored(connection: asyncpg.Connection, blobs: BlobStore, record: Record[Any], query: str) -> Part:
    """Store the rows of a query, also where a blob of their digest is damaged."""
    for _ in range(_ATTEMPTS):
        rows = _Rows()
        digest = await blobs.put(rows.compressed(connection, query))
        try:
            async for _ in checked(blobs.open(digest), digest):
                pass
        except SnapshotError:
            # Storing what is stored already changes nothing, whatever is there under its name.
            await blobs.delete(digest)
        else:
            break
    return Part(table=record.table, rows=rows.count, digest=digest, size_bytes=rows.size_bytes)


def _cuts(end: int) -> list[tuple[Record[Any], str]]:
    """Return what each part holds: a table, and which of its rows."""
    events = [
        (EVENT, f"sequence >= {first} and sequence < {first + EVENTS_A_PART}")
        for first in range(0, end + 1, EVENTS_A_PART)
    ]
    return [*events, *((record, "true") for record in RECORDS if record is not EVENT)]


def _select(record: Record[Any], schema: str, wanted: str) -> str:
    columns = ", ".join(quoted(column.name) for column in record.columns)
    keys = ", ".join(quoted(name) for name in record.key)
    table = f"{quoted(schema)}.{quoted(record.table)}"
    rows = f"select {columns} from {table} where {wanted} order by {keys}"  # noqa: S608
    return f"select row_to_json(each)::text from ({rows}) as each"  # noqa: S608


class _Rows:
    """The rows of one part on their way into a blob, and what they came to."""

    def __init__(self) -> None:
        self.count = 0
        self.size_bytes = 0

    async def compressed(self, connection: asyncpg.Connection, query: str) -> AsyncIterator[bytes]:
        packer, block = zlib.compressobj(level=_LEVEL, wbits=GZIP), bytearray()
        async with connection.transaction(readonly=True):
            async for row in connection.cursor(query, prefetch=_AT_ONCE):
                block += row[0].encode() + b"\n"
                self.count += 1
                if len(block) >= CHUNK:
                    yield self._counted(await asyncio.to_thread(packer.compress, bytes(block)))
                    block.clear()
        yield self._counted(packer.compress(bytes(block)) + packer.flush())

    def _counted(self, chunk: bytes) -> bytes:
        self.size_bytes += len(chunk)
        return chunk


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
