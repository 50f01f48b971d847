"""Removes the blobs of old snapshots, but for what a newer one has too. The log goes on naming them.

A manifest goes after its parts: interrupted, the next one finds what is left.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_store.connections import connect

from slipway_projector.database import LONGEST_SECONDS
from slipway_projector.upkeep.snapshot import Manifest, SnapshotError, lacking, stored_manifest
from slipway_projector.upkeep.snapshots import named_snapshots

KEPT: Final = 2
"""Snapshots; one may turn out to be damaged."""
_OF_USERS: Final = """
    select distinct body ->> 'digest' as digest from event
    where type like 'artifact.%' and body ->> 'digest' = any($1::text[])
"""

_log: Final = get_logger()


@dataclass(frozen=True)
class Forgotten:
    """What was removed."""

    snapshots: int = 0
    size_bytes: int = 0


async def forget(log: EventLog, url: str, blobs: BlobStore, *, keep: int) -> Forgotten:
    """Remove all but the `keep` newest snapshots that are complete; call it while no other is taken.

    The newest of all has just been read back, and holds what any truncation took. One that is damaged
    counts as none, and stays where it is newer than the last that is kept. Parts of a manifest that cannot
    be read are not known: nothing is removed as long as such a one stays.

    Args:
        log: names them.
        url: where the tables are: an artifact may have the same bytes.
        blobs: where they are stored.
        keep: at least 1.
    """
    now = datetime.now(UTC)
    kept: dict[str, Manifest] = {}
    old: dict[str, Manifest] = {}
    complete = 0
    for digest in dict.fromkeys(each.message.digest for each in await named_snapshots(log)):
        try:
            manifest = await stored_manifest(blobs, digest)
        except BlobMissingError:
            continue
        except SnapshotError as error:
            if complete < keep:
                _log.warning("no old snapshot is removed: a newer one cannot be read", because=str(error))
                return Forgotten()
            continue
        if complete < keep:
            kept[digest] = manifest
            complete += not await lacking(blobs, manifest)
        else:
            old[digest] = manifest
    needed = {*_digests(kept), *kept} | await _artifacts(url, {*_digests(old), *old})
    return await _removed(blobs, old, needed, now)


async def _removed(
    blobs: BlobStore, old: dict[str, Manifest], needed: Collection[str], now: datetime
) -> Forgotten:
    snapshots = size_bytes = 0
    # The oldest first: what an interruption leaves of the others is still whole.
    for digest, manifest in reversed(old.items()):
        gone = True
        for part in manifest.parts:
            if part.digest not in needed and await blobs.exists(part.digest):
                done = await blobs.reclaim(part.digest, unclaimed_since=now)
                gone, size_bytes = gone and done, size_bytes + part.size_bytes * done
        if gone and digest not in needed:
            snapshots += await blobs.reclaim(digest, unclaimed_since=now)
    return Forgotten(snapshots, size_bytes)


def _digests(manifests: dict[str, Manifest]) -> Iterable[str]:
    return (part.digest for manifest in manifests.values() for part in manifest.parts)


async def _artifacts(url: str, digests: Collection[str]) -> set[str]:
    """Return those of the digests that users know too."""
    connection = await connect(url, statement_seconds=LONGEST_SECONDS)
    try:
        return {row["digest"] for row in await connection.fetch(_OF_USERS, list(digests))}
    finally:
        await connection.close()
