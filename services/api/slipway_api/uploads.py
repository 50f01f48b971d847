"""Artifacts: streamed into the blob store while their digest is checked; a part is never stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from slipway_chassis import errors
from slipway_chassis.blobs import BlobStore

from slipway_api import problems
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
        largest: most bytes of one.
    """

    def __init__(self, *, blobs: BlobStore, largest: int) -> None:
        self._blobs = blobs
        self._largest = largest

    async def find(self, digest: str) -> Artifact:
        """Return a stored artifact.

        Raises:
            ArtifactNotFoundError: it is not stored.
        """
        try:
            return Artifact(digest=digest, size_bytes=await self._blobs.size(digest))
        except errors.BlobMissingError:
            raise problems.ArtifactNotFoundError(
                f"There is no artifact {digest}.",
                hint="Upload it with PUT to this path.",
                digest=digest,
            ) from None

    async def put(self, digest: str, body: AsyncIterator[bytes], *, announced: int | None) -> Uploaded:
        """Store a body as this artifact; one that is there already is not read.

        Raises:
            BodyTooLargeError: more bytes than allowed.
            DigestMismatchError: the body is another one.
            StorageFullError: no space is left.
        """
        if await self._blobs.exists(digest):
            return Uploaded(artifact=await self.find(digest), created=False)
        if announced is not None and announced > self._largest:
            raise too_large(self._largest, announced)
        try:
            await self._blobs.put(self._bounded(body), expected=digest)
        except errors.DigestMismatchError as error:
            raise problems.DigestMismatchError(
                f"The uploaded bytes are not {digest}: {error}.",
                hint="Compute the SHA-256 of the very file that you send, and upload it again.",
                digest=digest,
            ) from None
        except errors.StorageFullError as error:
            raise storage_full(error) from error
        return Uploaded(artifact=await self.find(digest), created=True)

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
