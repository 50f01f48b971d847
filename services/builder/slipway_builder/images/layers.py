"""Writes the layers of an image: tar streams that are the same bytes whenever the content is the same.

Entries are sorted, times and owners are zero, modes are 0755 or 0644. Compressed bytes are equal as long as
the compressor is; the diff id (the digest of the uncompressed tar) is equal always.
"""

import asyncio
import hashlib
import tarfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, Self

from isal import isal_zlib
from slipway_chassis.blobs import BlobStore

from slipway_builder.images.layer_cache import Layer
from slipway_builder.stop_flag import StopFlag

PLAIN: Final = "application/vnd.oci.image.layer.v1.tar"
GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"

_CHUNK: Final = 1 << 20
_BLOCK: Final = 512
_GZIP_WINDOW: Final = 31
_GZIP_LEVEL: Final = 1


class FileChangedError(Exception):
    """A file shrank or grew while it was read into a layer."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or a symbolic link of a layer; exactly one of `file` and `link` is set."""

    path: str
    file: Path | None = None
    link: str | None = None
    executable: bool = False

    def below(self, folder: str) -> Self:
        """Return the same content, to lie in this folder of the image."""
        return replace(self, path=f"{folder}/{self.path}")


async def write_layer(
    entries: Iterable[Entry], *, media_type: str, blobs: BlobStore, stop: StopFlag
) -> Layer:
    """Stream a layer into the blob store; reading, hashing and compressing run in threads.

    Raises:
        StoppedError: `stop` was set.
        FileChangedError: a file changed its size meanwhile.
        OSError: a file cannot be read, or the store cannot be written.
    """
    stream = _LayerStream(entries, compressed=media_type == GZIP, stop=stop)
    digest = await blobs.put(_in_threads(stream.chunks()))
    return Layer(digest=digest, diff_id=stream.diff_id, size=stream.size, media_type=media_type)


def entries_of(folder: Path, *, under: str) -> list[Entry]:
    """Return all files and links of a folder, to lie in the image at this path, without empty folders."""
    entries = []
    for path in folder.rglob("*"):
        inside = f"{under}/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            entries.append(Entry(path=inside, link=str(path.readlink())))
        elif path.is_file():
            executable = bool(path.stat().st_mode & 0o100)
            entries.append(Entry(path=inside, file=path, executable=executable))
    return entries


class _LayerStream:
    def __init__(self, entries: Iterable[Entry], *, compressed: bool, stop: StopFlag) -> None:
        self._entries = sorted(entries, key=lambda entry: entry.path)
        self._compressed = compressed
        self._stop = stop
        self._diff = hashlib.sha256()
        self.size = 0

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._diff.hexdigest()}"

    def chunks(self) -> Iterator[bytes]:
        packer = isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW) if self._compressed else None
        for chunk in _gathered(_tar(self._entries)):
            self._stop.check()
            self._diff.update(chunk)
            yield from self._counted(packer.compress(chunk) if packer else chunk)
        yield from self._counted(packer.flush() if packer else b"")

    def _counted(self, data: bytes) -> Iterator[bytes]:
        self.size += len(data)
        if data:
            yield data


def _tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    folders: set[str] = set()
    for entry in entries:
        for parent in reversed(PurePosixPath(entry.path).parents[:-1]):
            if str(parent) not in folders:
                folders.add(str(parent))
                yield _header(str(parent), tarfile.DIRTYPE, mode=0o755)
        if entry.file is None:
            yield _header(entry.path, tarfile.SYMTYPE, mode=0o777, link=entry.link or "")
        else:
            yield from _file(entry.path, entry.file, 0o755 if entry.executable else 0o644)
    yield bytes(2 * _BLOCK)


def _file(path: str, file: Path, mode: int) -> Iterator[bytes]:
    with file.open("rb") as source:
        size = left = file.stat().st_size
        yield _header(path, tarfile.REGTYPE, mode=mode, size=size)
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            yield chunk
    if left:
        raise FileChangedError(f"{path} changed while it was read")
    yield bytes(-size % _BLOCK)


def _header(path: str, kind: bytes, *, mode: int, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.size, info.linkname = kind, mode, size, link
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces, so that each hop between threads carries a worthwhile amount."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _CHUNK:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk
