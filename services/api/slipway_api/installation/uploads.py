"""Artifacts: streamed into the blob store while their digest is checked; a part is never stored.

Bytes that a group has are not read again; of those that only others have it must send all, too (ADR 14). What
came is told to the log, each time that it comes.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from slipway_chassis import errors
from slipway_chassis.blobs import BlobStore
from slipway_contracts.installation_events import ArtifactUploaded
from slipway_store.connections import DatabaseUnavailableError

from slipway_api.answers.views import Artifact
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.holdings import Holdings
from slipway_api.refusing import artifact_problems, problems

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What became of an upload; `created`: the group did not have it before."""

    artifact: Artifact
    created: bool


class Uploads:
    """Takes uploads.

    Args:
        blobs: where they go.
        holdings: knows what a group has.
        configuring: tells the log of them.
        largest: most bytes of one.
    """

    def __init__(
        self, *, blobs: BlobStore, holdings: Holdings, configuring: Configuring, largest: int
    ) -> None:
        self._blobs = blobs
        self._holdings = holdings
        self._configuring = configuring
        self._largest = largest

    async def find(self, group: str, digest: str) -> Artifact:
        """Return a stored artifact of a group.

        Raises:
            ArtifactNotFoundError: the group does not have it, or it is not stored.
            DatabaseUnavailableError: it cannot be said now whether the group has it.
        """
        size = await self._size(group, digest)
        if size is None:
            raise artifact_problems.ArtifactNotFoundError(
                f"Group {group} has no artifact {digest}.",
                hint="Upload it with PUT to this path.",
                digest=digest,
            )
        return Artifact(digest=digest, size_bytes=size)

    async def put(
        self, group: str, digest: str, body: AsyncIterator[bytes], *, by: str, announced: int | None
    ) -> Uploaded:
        """Store a body as this artifact, and tell the log; one that the group has already is not read.

        Raises:
            BodyTooLargeError: more bytes than allowed.
            DigestMismatchError: the body is another one.
            StorageFullError: no space is left.
            LogUnavailableError: it is stored, but the log did not confirm to have been told.
        """
        try:
            size = await self._size(group, digest)
        except DatabaseUnavailableError:
            size = None  # To send it again does no harm.
        created = size is None
        stored = False
        if size is None:
            stored = await self._receive(digest, body, announced)
            size = await self._blobs.size(digest)
        uploaded = ArtifactUploaded(group=group, digest=digest, size_bytes=size, stored=stored, by=by)
        await self._configuring.publish(uploaded)
        return Uploaded(artifact=Artifact(digest=digest, size_bytes=size), created=created)

    async def _size(self, group: str, digest: str) -> int | None:
        """Return the size of what a group has; None: it does not, or it is not stored."""
        try:
            return await self._blobs.size(digest) if await self._holdings.has(group, digest) else None
        except errors.BlobMissingError:
            return None

    async def _receive(self, digest: str, body: AsyncIterator[bytes], announced: int | None) -> bool:
        """Read the whole body, and say whether its bytes were stored, or were there."""
        if announced is not None and announced > self._largest:
            raise too_large(self._largest, announced)
        bounded = _Bounded(body, self._largest)
        try:
            if not await self._blobs.exists(digest):
                await self._blobs.put(bounded, expected=digest)
            stored = bounded.begun
            if not stored:  # others sent them, perhaps a moment ago: this group shows that it has them, too
                await _require(bounded, digest)
        except errors.DigestMismatchError as error:
            raise artifact_problems.DigestMismatchError(
                f"The uploaded bytes are not {digest}: {error}.",
                hint="Compute the SHA-256 of the very file that you send, and upload it again.",
                digest=digest,
            ) from None
        except errors.StorageFullError as error:
            raise storage_full(error) from error
        return stored


class _Bounded:
    """A body in large chunks, which cost the blob store fewer steps; `begun` once somebody reads it."""

    def __init__(self, body: AsyncIterator[bytes], largest: int) -> None:
        self.begun = False
        self._body = body
        self._largest = largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        total, pending = 0, bytearray()
        async for chunk in self._body:
            total += len(chunk)
            if total > self._largest:
                raise too_large(self._largest, total)
            pending += chunk
            if len(pending) >= _CHUNK:
                yield bytes(pending)
                pending.clear()
        yield bytes(pending)


async def _require(body: _Bounded, digest: str) -> None:
    hashed = hashlib.sha256()
    async for chunk in body:
        await asyncio.to_thread(hashed.update, chunk)
    if (found := f"sha256:{hashed.hexdigest()}") != digest:
        raise errors.DigestMismatchError(f"expected {digest}, got {found}")


def too_large(largest: int, size: int) -> problems.BodyTooLargeError:
    """Return the refusal of a body of at least `size` bytes."""
    return problems.BodyTooLargeError(
        f"The body has {size} bytes or more; this installation takes {largest}.",
        hint="Send less, or ask the operator to raise the limit.",
        size_bytes=size,
        largest_bytes=largest,
    )


def storage_full(error: Exception) -> problems.StorageFullError:
    """Return the refusal of what finds no space."""
    return problems.StorageFullError(
        f"Nothing was stored: {error}.",
        hint="Ask the operator to free disk space, then repeat the request.",
    )
