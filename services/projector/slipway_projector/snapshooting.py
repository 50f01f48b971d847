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
from slipway_chassis.event_log import EventLog, Expect, Outgoing
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, Origin, new_id, now
from slipway_contracts.installation_events import LogSnapshotted, LogTruncated
from slipway_store.connections import connect

from slipway_projector.comparison import compare
from slipway_projector.database import LONGEST_SECONDS
from slipway_projector.parts import parts_for
from slipway_projector.rebuilding import discard, empty, position, rebuilt
from slipway_projector.snapshot import Manifest, SnapshotError, stored_manifest
from slipway_projector.snapshot_reading import load_rows
from slipway_projector.snapshot_writing import write_snapshot

SOURCE: Final = "/slipway/projector"
MADE: Final = "slipway_snapshot"
READ_BACK: Final = "slipway_read_back"


@dataclass(frozen=True)
class Operator:
    """Who asks, and with which command."""

    account: str
    command: str

    def outgoing(self, message: LogSnapshotted | LogTruncated, expect: int) -> Outgoing:
        """Return a message that is stored only if this is the last one on its subject."""
        identifier = new_id()
        envelope = Envelope(
            id=identifier,
            type=message.type,
            source=SOURCE,
            subject="log",
            time=now(),
            correlation_id=identifier,
            origin=Origin(user=self.account, agent=self.command, request=identifier),
        )
        return Outgoing(
            subject=subjects.of(message), message=message, envelope=envelope, expect=Expect(sequence=expect)
        )


@dataclass(frozen=True)
class Taken:
    """A snapshot that was just taken."""

    digest: str
    manifest: Manifest


@asynccontextmanager
async def snapshot_taken(
    log: EventLog, url: str, blobs: BlobStore, operator: Operator
) -> AsyncIterator[Taken]:
    """Take a snapshot; as long as the body runs, no other rebuild, snapshot or truncation does.

    Raises:
        RebuildError: one of them runs.
        SnapshotError: the tables in use are not what the log says, or the snapshot did not come back as it
            was; the log names none.
        StorageFullError: the blob store has no space left.
        ConflictError: another process named a snapshot meanwhile.
    """
    until, parts = await position(url), await parts_for(log)
    async with rebuilt(log, url, blobs=blobs, schema=MADE, until=until, parts=parts) as rebuild:
        try:
            if differences := await rebuild.differences():
                raise SnapshotError(
                    "the tables in use differ from the log, so no snapshot was taken: "
                    f"{'; '.join(map(str, differences))}. Run `slipway projections rebuild`, then repeat"
                )
            taken = await _stored(url, blobs)
            await _name(log, taken, operator)
            yield taken
        finally:
            for schema in (MADE, READ_BACK):
                await discard(url, schema)


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
    return Taken(digest, manifest)


async def _require_same(connection: asyncpg.Connection) -> None:
    if differences := await compare(connection, MADE, READ_BACK):
        raise SnapshotError(
            f"the snapshot did not come back as it was written: {'; '.join(map(str, differences))}"
        )


async def _name(log: EventLog, taken: Taken, operator: Operator) -> None:
    last = await log.last(subjects.LOG_SNAPSHOTS)
    manifest = taken.manifest
    message = LogSnapshotted(
        sequence=manifest.sequence,
        digest=taken.digest,
        rows=manifest.rows,
        size_bytes=manifest.size_bytes,
        by=operator.account,
    )
    await log.publish(operator.outgoing(message, last.sequence if last else 0))
