"""Artifacts: streamed into the blob store while their digest is checked; a part is never stored.

What came is told to the log, each time that it comes.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from slipway_chassis import errors
from slipway_chassis.blobs import BlobStore
from slipway_contracts.installation_events import ArtifactUploaded

from slipway_api import artifact_problems, problems
from slipway_api.configuring import Configuring
from slipway_api.views import Artifact

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What became of an upload; `created`: its bytes were not there before."""

    artifact: Artifact
    created: bool


class Uploads:
    """Takes uploads.

    Args:
        blobs: where they go.
        configuring: tells the log of them.
        largest: most bytes of one.
    """

    def __init__(self, *, blobs: BlobStore, configuring: Configuring, largest: int) -> None:
        self._blobs = blobs
        self._configuring = configuring
        self._largest = largest

    async def find(self, digest: str) -> Artifact:
        """Return a stored artifact.

        Raises:
            ArtifactNotFoundError: it is not stored.
        """
        try:
            return Artifact(digest=digest, size_bytes=await self._blobs.size(digest))
        except errors.BlobMissingError:
            raise artifact_problems.ArtifactNotFoundError(
                f"There is no artifact {digest}.",
                hint="Upload it with PUT to this path.",
                digest=digest,
            ) from None

    async def put(
        self, group: str, digest: str, body: AsyncIterator[bytes], *, by: str, announced: int | None
    ) -> Uploaded:
        """Store a body as this artifact, and tell the log; one that is there already is not read.

        Raises:
            BodyTooLargeError: more bytes than allowed.
            DigestMismatchError: the body is another one.
            StorageFullError: no space is left.
            LogUnavailableError: it is stored, but the log did not confirm to have been told.
        """
        created = not await self._blobs.exists(digest)
        if created:
            await self._store(digest, body, announced)
        artifact = await self.find(digest)
        uploaded = ArtifactUploaded(
            group=group, digest=digest, size_bytes=artifact.size_bytes, stored=created, by=by
        )
        await self._configuring.publish(uploaded)
        return Uploaded(artifact=artifact, created=created)

    async def _store(self, digest: str, body: AsyncIterator[bytes], announced: int | None) -> None:
        if announced is not None and announced > self._largest:
            raise too_large(self._largest, announced)
        try:
            await self._blobs.put(self._bounded(body), expected=digest)
        except errors.DigestMismatchError as error:
            raise artifact_problems.DigestMismatchError(
                f"The uploaded bytes are not {digest}: {error}.",
                hint="Compute the SHA-256 of the very file that you send, and upload it again.",
                digest=digest,
            ) from None
        except errors.StorageFullError as error:
            raise storage_full(error) from error

    async def _bounded(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Return the body in large chunks, which cost the blob store fewer steps."""
        total, pending = 0, bytearray()
        async for chunk in body:
            total += len(chunk)
            if total > self._largest:
                raise too_large(self._largest, total)
            pending += chunk
            if len(pending) >= _CHUNK:
                yield bytes(pending)
                pending.clear()
        yield bytes(pending)


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
