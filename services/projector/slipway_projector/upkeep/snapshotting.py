"""Takes a snapshot that is known to be right: what the log says is what the tables hold, and comes back so.

The tables are made anew from the log, or from the snapshot before and the log, and compared with those in
use; stored, read back into other tables, and compared again. Only then the log names the snapshot.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from slipway_chassis.blobs import BlobStore
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogSnapshotted
from slipway_store.connections import connect

from slipway_projector.database import LONGEST_SECONDS
from slipway_projector.rebuilds.comparison import compare
from slipway_projector.rebuilds.parts import parts_for
from slipway_projector.rebuilds.rebuilding import discard, empty, position, rebuilt
from slipway_projector.upkeep.announcing import Announcer
from slipway_projector.upkeep.snapshot import Manifest, SnapshotError, stored_manifest
from slipway_projector.upkeep.snapshot_reading import load_rows
from slipway_projector.upkeep.snapshot_writing import write_snapshot

MADE: Final = "slipway_snapshot"
READ_BACK: Final = "slipway_read_back"


@dataclass(frozen=True)
class Taken:
    """A snapshot that was just taken."""

    digest: str
    manifest: Manifest


@asynccontextmanager
async def snapshot_taken(announcer: Announcer, url: str, blobs: BlobStore) -> AsyncIterator[Taken]:
    """Take a snapshot; as long as the body runs, no other rebuild, snapshot or truncation does.

    Raises:
        RebuildError: one of them runs.
        SnapshotError: the tables in use are not what the log says, or the snapshot did not come back as it
            was; the log names none.
        StorageFullError: the blob store has no space left.
        LogFullError: the log has no room for the name of the snapshot, and none can be made.
        ConflictError: another process named a snapshot meanwhile.
    """
    log = announcer.log
    until, parts = await position(url), await parts_for(log)
    async with rebuilt(log, url, blobs=blobs, schema=MADE, until=until, parts=parts) as rebuild:
        try:
            if differences := await rebuild.differences():
                raise SnapshotError(
                    "the tables in use differ from the log, so no snapshot was taken: "
                    f"{'; '.join(map(str, differences))}. Run `slipway projections rebuild`, then repeat"
                )
            taken = await _stored(url, blobs)
            await discard(url, MADE)
            await _name(announcer, taken)
            yield taken
        finally:
            await discard(url, MADE)


async def _stored(url: str, blobs: BlobStore) -> Taken:
    connection = await connect(url, schema=READ_BACK, statement_seconds=LONGEST_SECONDS)
    try:
        digest, _ = await write_snapshot(connection, blobs, MADE)
        await empty(connection, url, READ_BACK)
        manifest = await stored_manifest(blobs, digest)
        await load_rows(connection, blobs, manifest, READ_BACK)
        await _require_same(connection)
    finally:
        await connection.close()
        await discard(url, READ_BACK)
    return Taken(digest, manifest)


async def _require_same(connection: asyncpg.Connection) -> None:
    if differences := await compare(connection, MADE, READ_BACK):
        raise SnapshotError(
            f"the snapshot did not come back as it was written: {'; '.join(map(str, differences))}"
        )


async def _name(announcer: Announcer, taken: Taken) -> None:
    last = await announcer.log.last(subjects.LOG_SNAPSHOTS)
    manifest = taken.manifest
    message = LogSnapshotted(
        sequence=manifest.sequence,
        digest=taken.digest,
        rows=manifest.rows,
        size_bytes=manifest.size_bytes,
        by=announcer.operator.account,
    )
    await announcer.announce(message, expect=last.sequence if last else 0)
