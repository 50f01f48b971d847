"""Which snapshots the log names, and of which of them tables can be made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_chassis.event_log import EventLog, Stored
from slipway_chassis.logs import get_logger
from slipway_chassis.truncation import whole_from
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogSnapshotted

from slipway_projector.upkeep.snapshot import Manifest, SnapshotError, lacking, stored_manifest

TRIES_ANOTHER: Final = "a snapshot is damaged; its messages alone, or an older one, are tried"
_log: Final = get_logger()


@dataclass(frozen=True)
class Named:
    """A snapshot, and where the log names it."""

    stored: Stored
    message: LogSnapshotted


@dataclass(frozen=True)
class Beginnings:
    """The snapshots of which, with what the log has after them, tables can be made, the newest first.

    Attributes:
        whole: from this sequence on the log is whole.
        manifests: of snapshots whose parts are stored; whether they are what they were shows when read.
        blobs: where the parts are.
        problems: why others cannot be taken.
    """

    whole: int
    manifests: tuple[Manifest, ...]
    blobs: BlobStore
    problems: list[str] = field(default_factory=list)

    def none_left(self) -> SnapshotError:
        """Return what to say when none of them can be read."""
        return SnapshotError(
            f"the log lacks what came before {self.whole}, and no snapshot can be read that holds it: "
            f"{'; '.join(self.problems) or 'none is named'}. Bring the blobs, or the log, back from a backup"
        )


async def named_snapshots(log: EventLog) -> list[Named]:
    """Return all snapshots that the log names, the newest first."""
    return [each async for each in _named(log)][::-1]


async def beginnings(log: EventLog, blobs: BlobStore | None) -> Beginnings | None:
    """Return the snapshots that tables can be made of; None where the log itself has all.

    An older one than the newest will do where the log is whole behind it.

    Raises:
        SnapshotError: the log is truncated, and no snapshot that holds what is missing is stored.
    """
    whole = await whole_from(log)
    if whole == 1:
        return None
    if blobs is None:
        raise SnapshotError(f"the log lacks what came before {whole}, and no blob store is given")
    found: dict[str, Manifest] = {}
    problems: list[str] = []
    for each in await named_snapshots(log):
        digest = each.message.digest
        if each.message.sequence + 1 < whole:
            break
        if digest in found:
            continue
        try:
            found[digest] = await _complete(blobs, digest)
        except (BlobMissingError, SnapshotError) as error:
            _log.warning(TRIES_ANOTHER, sequence=each.message.sequence, because=str(error))
            problems.append(str(error))
    result = Beginnings(whole, tuple(found.values()), blobs, problems)
    if not found:
        raise result.none_left()
    return result


async def _complete(blobs: BlobStore, digest: str) -> Manifest:
    manifest = await stored_manifest(blobs, digest)
    if lost := await lacking(blobs, manifest):
        names = ", ".join(f"{part.digest} of {part.table}" for part in lost)
        raise SnapshotError(f"the snapshot {digest} lacks blobs: {names}")
    return manifest


async def _named(log: EventLog) -> AsyncIterator[Named]:
    async for stored in log.read(subjects.LOG_SNAPSHOTS, after=0):
        message = stored.message
        if isinstance(message, LogSnapshotted):
            yield Named(stored, message)
