"""Describes images: the OCI configuration, manifest and index of layers that lie in the blob store.

Source of the formats: OCI image specification 1.1. Nothing in them depends on time or place, so the same
layers and settings are the same image.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_contracts.version import CommandSpec

from slipway_builder.images.layer_cache import Layer, put_bytes

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"

PYTHON_LABEL: Final = "dev.slipway.python"
APP: Final = "/app"
SITE_PACKAGES: Final = "/opt/slipway/site-packages"
SERVER: Final = "/opt/slipway/server"

# The code comes first, as for `python script.py`; what the user pinned comes before what the server brings.
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "LANG": "C.UTF-8",
    "PATH": f"{SITE_PACKAGES}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": f"{APP}:{SITE_PACKAGES}:{SERVER}",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """What an image is made of, lowest layer first, and how it starts."""

    layers: Sequence[Layer]
    command: CommandSpec
    platform: str
    python: str
    port: int | None = None


async def write_image(spec: ImageSpec, blobs: BlobStore) -> str:
    """Store configuration and manifest; return the digest of the manifest."""
    config = _json(_configuration(spec))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": await _stored(CONFIG, config, blobs),
            "layers": [
                {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
                for layer in spec.layers
            ],
        }
    )
    return await put_bytes(blobs, manifest)


async def write_index(images: Mapping[str, str], *, platform: str, blobs: BlobStore) -> str:
    """Store an index that names each image by its endpoint; return its digest."""
    return await put_bytes(blobs, await _index(images, platform, blobs))


async def index_digest(images: Mapping[str, str], *, platform: str, blobs: BlobStore) -> str | None:
    """Return the digest of the index that names these images; None when one of them is not stored."""
    try:
        return f"sha256:{hashlib.sha256(await _index(images, platform, blobs)).hexdigest()}"
    except BlobMissingError:
        return None


async def _index(images: Mapping[str, str], platform: str, blobs: BlobStore) -> bytes:
    manifests = [
        {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": await blobs.size(digest),
            "platform": _platform(platform),
            "annotations": {"org.opencontainers.image.ref.name": endpoint},
        }
        for endpoint, digest in sorted(images.items())
    ]
    return _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})


def _configuration(spec: ImageSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in sorted(_ENVIRONMENT.items())],
        "Cmd": ["/bin/sh", "-c", spec.command.shell] if spec.command.shell else list(spec.command.argv),
        "WorkingDir": spec.command.working_dir,
        "Labels": {PYTHON_LABEL: spec.python},
    }
    if spec.port is not None:
        config["ExposedPorts"] = {f"{spec.port}/tcp": {}}
    return {
        **_platform(spec.platform),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in spec.layers]},
    }


def _platform(platform: str) -> dict[str, str]:
    system, architecture = platform.split("/")
    return {"os": system, "architecture": architecture}


async def _stored(media_type: str, data: bytes, blobs: BlobStore) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": await put_bytes(blobs, data), "size": len(data)}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
