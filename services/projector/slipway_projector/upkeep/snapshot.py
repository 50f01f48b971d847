"""What a snapshot is: the rows of all tables at one position of the log, as blobs, and a manifest of them.

A part holds rows of one table in the order of their keys: one JSON object a line, compressed by gzip. Rows of
`event` are cut at fixed sequences: their parts are the same in every later snapshot, and stored once.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import SlipwayError
from slipway_contracts.names import Digest
from slipway_store.schema import HEAD, PROJECTION

GZIP: Final = 31
"""`wbits` of zlib."""


class SnapshotError(SlipwayError):
    """A snapshot cannot be written or read as it must be; nothing was removed because of it."""


class Part(BaseModel):
    """Rows of one table in one blob."""

    model_config = ConfigDict(frozen=True)

    table: str
    rows: int = Field(ge=1)
    digest: Digest
    size_bytes: int = Field(ge=1)


class Manifest(BaseModel):
    """A snapshot.

    Attributes:
        sequence: everything up to it is in the rows.
        projection: the fold that made them.
        migration: the tables' form.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    stream: str
    sequence: int = Field(ge=1)
    projection: int
    migration: str
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """How many rows all parts have."""
        return sum(part.rows for part in self.parts)

    @property
    def size_bytes(self) -> int:
        """How large all parts are."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def is_of_this_release(self) -> bool:
        """Whether this release would have made the same rows, in the same tables."""
        return (self.projection, self.migration) == (PROJECTION, HEAD)


async def stored_manifest(blobs: BlobStore, digest: str) -> Manifest:
    """Return the manifest of this digest.

    Raises:
        BlobMissingError: it is not stored.
        SnapshotError: it was changed, or is of a later release.
    """
    content = b"".join([chunk async for chunk in checked(blobs.open(digest), digest)])
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise SnapshotError(
            f"the manifest {digest} is not one that this release reads; use the release that wrote it"
        ) from error


async def lacking(blobs: BlobStore, manifest: Manifest) -> list[Part]:
    """Return the parts that are not stored with their sizes; their content shows when they are read."""
    return [
        part
        for part in manifest.parts
        if not await blobs.exists(part.digest) or await blobs.size(part.digest) != part.size_bytes
    ]


async def checked(chunks: AsyncIterator[bytes], digest: str) -> AsyncIterator[bytes]:
    """Return the chunks of a blob.

    Raises:
        SnapshotError: at their end, where they are not what the digest says; or the disk does not give them.
    """
    content = hashlib.sha256()
    try:
        async for chunk in chunks:
            content.update(chunk)
            yield chunk
    except OSError as error:
        raise SnapshotError(f"the blob {digest} cannot be read: {error}") from error
    if digest != f"sha256:{content.hexdigest()}":
        raise SnapshotError(f"the blob {digest} holds other bytes; bring it back from a backup")
