"""The folder shared with Envoy: complete files, replaced in one step, only when they change."""

import os
from pathlib import Path
from typing import Final

_XDS: Final = "xds"


class GatewayFolder:
    """Paths of the gateway, and their atomic replacement.

    `xds` holds only what Envoy watches: it is told of every change in there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self.bootstrap: Final = self._path / "bootstrap.json"
        self.known: Final = self._path / "known.json"
        self.listeners: Final = self._path / _XDS / "listeners.json"
        self.keys: Final = self._path / _XDS / "keys.json"
        self.clusters: Final = self._path / _XDS / "clusters.json"
        self.routes: Final = self._path / _XDS / "routes.json"

    def create(self) -> None:
        """Make the folders; idempotent."""
        (self._path / _XDS).mkdir(parents=True, exist_ok=True)

    def read(self, file: Path) -> bytes | None:
        """Return the content, None where there is no such file."""
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, file: Path, content: bytes) -> bool:
        """Replace the file unless it has this content already; return whether it was replaced."""
        if self.read(file) == content:
            return False
        self.replace(file, content)
        return True

    def replace(self, file: Path, content: bytes, *, durable: bool = False) -> None:
        """Replace the file, also by the same content, of which Envoy is then told again.

        A reader sees the old file or the new one. `durable` waits until the disk has it.
        """
        # Written beside `xds`, so that Envoy is woken once, by the rename.
        temporary = self._path / f".{file.name}.new"
        with temporary.open("wb") as target:
            target.write(content)
            if durable:
                target.flush()
                os.fsync(target.fileno())
        temporary.replace(file)
