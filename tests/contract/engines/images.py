"""Small OCI images, written by hand into a blob folder; nothing of the builder is used."""

import gzip
import hashlib
import io
import json
import platform
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def tar_of(files: Mapping[str, str | bytes]) -> bytes:
    """Return a tar of regular files and the folders above them; a name that ends in `/` is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class ImageShelf:
    """A blob folder as `FilesystemBlobStore` lays it out."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.root / "sha256" / digest[:2] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"sha256:{digest}"

    def path_of(self, digest: str) -> Path:
        name = digest.partition(":")[2]
        return self.root / "sha256" / name[:2] / name

    def image(
        self,
        *layers: Mapping[str, str | bytes] | bytes,
        environment: Sequence[str] = (),
        python: str | None = HERE,
        compressed: bool = False,
        **config: Any,
    ) -> str:
        """Store an image of these layers, lowest first; return the digest of its manifest."""
        tars = [layer if isinstance(layer, bytes) else tar_of(layer) for layer in layers]
        blobs = [gzip.compress(each, mtime=0) if compressed else each for each in tars]
        settings: dict[str, Any] = {"Env": list(environment), "WorkingDir": "/app"}
        if python is not None:
            settings["Labels"] = {"dev.slipway.python": python}
        document = {
            "os": sys.platform,
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "config": settings,
            **config,
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": self.put(json.dumps(document).encode())},
            "layers": [{"digest": self.put(blob)} for blob in blobs],
        }
        return self.put(json.dumps(manifest).encode())
