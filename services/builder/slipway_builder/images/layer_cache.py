"""Remembers which layer a given input made, so that an unchanged input is never built again.

A cache only: an entry whose blob is gone counts as absent, and losing all of them costs time, nothing else.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_contracts.names import Digest

_FORMAT: Final = 1


class Layer(BaseModel):
    """A layer in the blob store."""

    model_config = ConfigDict(frozen=True)

    digest: Digest
    diff_id: Digest
    size: int
    media_type: str


def layer_key(kind: str, *inputs: str) -> str:
    """Return the name of what these inputs make: the same name for the same inputs only."""
    text = json.dumps([_FORMAT, kind, *inputs])
    return f"layer-{kind}-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()}"


class LayerCache:
    """Layers by key, as references of the blob store, shared by all builders of an installation."""

    def __init__(self, *, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def find(self, key: str) -> Layer | None:
        """Return the layer made from this input, if its blob is still there, and whole, and claim both."""
        descriptor = await self._blobs.get_ref(key)
        if descriptor is None:
            return None
        try:
            layer = Layer.model_validate_json(b"".join([part async for part in self._blobs.open(descriptor)]))
            claimed = [await self._blobs.claim(digest) for digest in (layer.digest, descriptor)]
            is_whole = all(claimed) and await self._blobs.size(layer.digest) == layer.size
        except (ValidationError, BlobMissingError):
            return None
        return layer if is_whole else None

    async def keep(self, key: str, layer: Layer) -> None:
        """Remember the layer; of two builders that write one key, either may win: their layers are equal."""
        await self._blobs.set_ref(key, await put_bytes(self._blobs, _described(layer)))


def descriptor_digest(layer: Layer) -> str:
    """Return the digest of the blob that describes this layer."""
    return f"sha256:{hashlib.sha256(_described(layer)).hexdigest()}"


async def put_bytes(blobs: BlobStore, data: bytes) -> str:
    """Store a small blob and return its digest."""
    return await blobs.put(_once(data))


def _described(layer: Layer) -> bytes:
    return layer.model_dump_json().encode()


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
