"""What an image consists of in the blob store, read from its manifest. Decides nothing about its removal."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_chassis.logs import get_logger

from slipway_builder.images.layer_cache import Layer, descriptor_digest

_log: Final = get_logger()


@dataclass(frozen=True)
class ImageBlobs:
    """The blobs of one image."""

    manifest: str
    config: str
    layers: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every blob that a replica of this image needs."""
        return (*self.layers, self.config, self.manifest)


async def image_blobs(blobs: BlobStore, manifest: str) -> ImageBlobs | None:
    """Return the blobs that this manifest names; None when it is not stored, or is none."""
    document = await _document(blobs, manifest)
    try:
        layers = tuple(str(layer["digest"]) for layer in document["layers"])
        return ImageBlobs(manifest=manifest, config=str(document["config"]["digest"]), layers=layers)
    except (LookupError, TypeError):
        return None


async def layer_descriptors(blobs: BlobStore, image: ImageBlobs) -> dict[str, str]:
    """Return, by layer, the blob with which the cache of layers remembers it, as far as it can be told."""
    manifest, config = await _document(blobs, image.manifest), await _document(blobs, image.config)
    try:
        pairs = zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
        return {entry["digest"]: descriptor_digest(_layer(entry, diff_id)) for entry, diff_id in pairs}
    except (LookupError, TypeError, ValueError, ValidationError):
        return {}


async def first_missing(blobs: BlobStore, images: Iterable[str]) -> str | None:
    """Claim every blob of these images; return the first that is not stored any more, or damaged.

    What describes an image is compared with its digest; of layers, it is only seen that they are there.
    """
    for manifest in dict.fromkeys(images):
        image = await image_blobs(blobs, manifest)
        if image is None:
            return manifest
        if not await _document(blobs, image.config):
            return image.config
        for digest in image.all:
            if not await blobs.claim(digest):
                return digest
    return None


async def _document(blobs: BlobStore, digest: str) -> dict[str, Any]:
    try:
        content = b"".join([chunk async for chunk in blobs.open(digest)])
    except BlobMissingError:
        return {}
    if digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
        _log.error("a stored manifest or configuration is damaged", blob=digest, size=len(content))
        return {}
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _layer(entry: dict[str, Any], diff_id: str) -> Layer:
    return Layer(digest=entry["digest"], diff_id=diff_id, size=entry["size"], media_type=entry["mediaType"])
