"""Which snapshots the log names, and the newest that can still be read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_chassis.event_log import EventLog, Stored
from slipway_chassis.truncation import whole_from
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogSnapshotted

from slipway_projector.snapshot import Manifest, SnapshotError, is_complete, stored_manifest


@dataclass(frozen=True)
class Named:
    """A snapshot, and where the log names it."""

    stored: Stored
    message: LogSnapshotted


@dataclass(frozen=True)
class Found:
    """A snapshot that can be read, and where its parts are."""

    manifest: Manifest
    blobs: BlobStore


async def named_snapshots(log: EventLog) -> list[Named]:
    """Return all snapshots that the log names, the newest first."""
    return [each async for each in _named(log)][::-1]


async def beginning(log: EventLog, blobs: BlobStore | None) -> Found | None:
    """Return the snapshot from which tables are made; None where the log itself has all.

    Raises:
        SnapshotError: the log is truncated, and no snapshot that holds what is missing can be read.
    """
    whole = await whole_from(log)
    if whole == 1:
        return None
    problems: list[str] = []
    if blobs is None:
        raise SnapshotError(f"the log is truncated before {whole}, and no blob store is given")
    for each in await named_snapshots(log):
        if each.message.sequence + 1 < whole:
            break
        try:
            manifest = await stored_manifest(blobs, each.message.digest)
        except (BlobMissingError, SnapshotError) as error:
            problems.append(str(error))
            continue
        if await is_complete(blobs, manifest):
            return Found(manifest, blobs)
        problems.append(f"parts of {each.message.digest} are missing in the blob store")
    raise SnapshotError(
        f"the log is truncated before {whole}, and no snapshot can be read that holds what came before: "
        f"{'; '.join(problems) or 'none is named'}. Bring the blobs back from a backup"
    )


async def _named(log: EventLog) -> AsyncIterator[Named]:
    async for stored in log.read(subjects.LOG_SNAPSHOTS, after=0):
        message = stored.message
        if isinstance(message, LogSnapshotted):
            yield Named(stored, message)
