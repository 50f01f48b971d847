"""Makes the layers of one version, or finds the ones that an equal input made before."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway_chassis.blobs import BlobStore

from slipway_builder.endpoints.endpoint_server import SERVER_MODULE, SERVER_REQUIREMENTS
from slipway_builder.images.layer_cache import Layer, LayerCache, layer_key
from slipway_builder.images.layers import GZIP, PLAIN, Entry, entries_of, write_layer
from slipway_builder.images.oci import APP, SERVER, SITE_PACKAGES
from slipway_builder.installing.dependencies import Installation, Installer
from slipway_builder.source.code_files import SourceFiles
from slipway_builder.source.requirements import Requirements
from slipway_builder.stop_flag import StopFlag


@dataclass(frozen=True, kw_only=True)
class MadeLayer:
    """A layer, and whether it had to be built."""

    layer: Layer
    reused: bool

    def __str__(self) -> str:
        verb = "reused" if self.reused else "built"
        return f"{verb} layer {self.layer.digest[:19]}… ({human_size(self.layer.size)})"


@dataclass(frozen=True, kw_only=True)
class LayerMaker:
    """Makes layers for the build whose files lie in `folder`; `source` is its unpacked source."""

    blobs: BlobStore
    installer: Installer
    folder: Path
    source: Path
    stop: StopFlag
    line: Callable[[str], None]

    async def server(self) -> MadeLayer:
        """Return the production server for WSGI and ASGI applications: one layer for all versions."""
        text = "".join(f"{each}\n" for each in SERVER_REQUIREMENTS)
        module = await asyncio.to_thread(SERVER_MODULE.read_text, encoding="utf-8")
        key = self._installed_key("server", text, module)
        return await self._made(
            key, lambda: self._install("server", text, place=SERVER, also=SERVER_MODULE), media_type=GZIP
        )

    async def packages(self, requirements: Requirements, files: SourceFiles) -> MadeLayer:
        """Return the installed requirements; a change of files that they name is a new layer."""
        text = requirements.text
        content = files.fingerprint(files.all()) if requirements.uses_source else ()
        key = self._installed_key("packages", text, *content)
        return await self._made(
            key, lambda: self._install("packages", text, place=SITE_PACKAGES), media_type=GZIP
        )

    async def code(self, files: SourceFiles) -> MadeLayer:
        """Return the source without the endpoints' own files."""
        return await self._copied("code", files, await asyncio.to_thread(files.code), media_type=GZIP)

    async def file(self, path: str, files: SourceFiles) -> MadeLayer:
        """Return one endpoint's file or folder; uncompressed, for weights do not compress."""
        return await self._copied("file", files, files.of(path), media_type=PLAIN)

    def _installed_key(self, kind: str, *inputs: str) -> str:
        base = self.installer.base
        return layer_key(kind, base.python, base.platform, *inputs)

    async def _copied(
        self, kind: str, files: SourceFiles, entries: Sequence[Entry], *, media_type: str
    ) -> MadeLayer:
        prefix = APP.removeprefix("/")

        async def placed() -> list[Entry]:
            return [entry.below(prefix) for entry in entries]

        key = layer_key(kind, *files.fingerprint(entries))
        return await self._made(key, placed, media_type=media_type)

    async def _made(
        self, key: str, prepare: Callable[[], Awaitable[Sequence[Entry]]], *, media_type: str
    ) -> MadeLayer:
        cache = LayerCache(blobs=self.blobs)
        found = await cache.find(key)
        if found is not None:
            return MadeLayer(layer=found, reused=True)
        entries = await prepare()
        layer = await write_layer(entries, media_type=media_type, blobs=self.blobs, stop=self.stop)
        await cache.keep(key, layer)
        return MadeLayer(layer=layer, reused=False)

    async def _install(self, kind: str, text: str, *, place: str, also: Path | None = None) -> list[Entry]:
        home, target = self.folder / f"{kind}-home", self.folder / kind
        await asyncio.to_thread(_prepare, home, target, text, also)
        task = Installation(
            requirements=home / "requirements.txt", target=target, place=place, source=self.source, home=home
        )
        await self.installer.install(task, line=self.line)
        return await asyncio.to_thread(entries_of, target, under=place.removeprefix("/"))


def human_size(count: int) -> str:
    """Return a number of bytes for people, as `1.4 MB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _prepare(home: Path, target: Path, text: str, also: Path | None) -> None:
    home.mkdir()
    target.mkdir()
    (home / "requirements.txt").write_text(text, encoding="utf-8")
    if also is not None:
        shutil.copy(also, target)
