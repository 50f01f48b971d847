"""Content-addressed blobs behind one interface, and the store that keeps them in a folder.

Knows nothing of what a blob means; removing unused blobs is the business of whoever knows their users.
"""

import asyncio
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol, Self

from slipway_chassis.errors import BlobError, BlobMissingError, DigestMismatchError, StorageFullError

CHUNK: Final = 1 << 20
_DIGEST: Final = re.compile(r"^sha256:([0-9a-f]{64})$")
_REF: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$")


class BlobStore(Protocol):
    """Blobs by digest (`sha256:<hex>`), and small named references to them."""

    async def put(self, stream: AsyncIterable[bytes], *, expected: str | None = None) -> str:
        """Store a stream and return its digest; storing it again changes nothing.

        Raises:
            DigestMismatchError: the stream is not `expected`.
            StorageFullError: no space is left.
        """
        ...

    async def put_file(self, path: Path, *, expected: str | None = None) -> str:
        """Store a local file and return its digest; the file must not be changed afterwards."""
        ...

    def open(self, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the bytes in chunks.

        Raises:
            BlobMissingError: it is not stored.
        """
        ...

    async def exists(self, digest: str) -> bool:
        """Say whether the blob is stored."""
        ...

    async def size(self, digest: str) -> int:
        """Return the size in bytes.

        Raises:
            BlobMissingError: it is not stored.
        """
        ...

    async def delete(self, digest: str) -> None:
        """Remove the blob; removing it again changes nothing."""
        ...

    async def set_ref(self, name: str, digest: str) -> None:
        """Let `name` mean this digest from now on."""
        ...

    async def get_ref(self, name: str) -> str | None:
        """Return what `name` means, if it is set."""
        ...


@dataclass
class _Writer:
    """A temporary file that becomes a blob when it is complete."""

    temporary: Path
    file: IO[bytes]
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @classmethod
    def begin(cls, folder: Path) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / secrets.token_hex(16)
        return cls(temporary=temporary, file=temporary.open("xb"))

    def write(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.file.write(chunk)

    def finish(self) -> str:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        return f"sha256:{self.digest.hexdigest()}"

    def discard(self) -> None:
        self.file.close()
        self.temporary.unlink(missing_ok=True)


class FilesystemBlobStore:
    """Blobs as read-only files `sha256/<2 hex>/<64 hex>` below one folder that processes may share.

    A blob appears complete or not at all, also after a power cut. Two processes that store the same blob
    at once both succeed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, digest: str) -> Path:
        """Return where the blob lies, stored or not.

        Raises:
            BlobError: this is not a digest.
        """
        match = _DIGEST.match(digest)
        if match is None:
            raise BlobError(f"{digest!r} is no digest; expected sha256: and 64 hex digits")
        return self._root / "sha256" / match[1][:2] / match[1]

    async def put(self, stream: AsyncIterable[bytes], *, expected: str | None = None) -> str:
        """Store a stream and return its digest; see `BlobStore.put`.

        With `expected` already stored the stream is not read at all.
        """
        if expected is not None and await self.exists(expected):
            return expected
        writer = await asyncio.to_thread(self._begin)
        try:
            async for chunk in stream:
                await asyncio.to_thread(self._write, writer, chunk)
            return await asyncio.to_thread(self._finish, writer, expected)
        finally:
            await asyncio.to_thread(writer.discard)

    async def put_file(self, path: Path, *, expected: str | None = None) -> str:
        """Store a local file, without copying it where a hard link is possible; see `BlobStore.put_file`."""
        return await asyncio.to_thread(self._put_file, path, expected)

    async def open(self, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the bytes from `offset` in chunks of 1 MiB; see `BlobStore.open`."""
        file = await asyncio.to_thread(self._open, digest, offset)
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    async def exists(self, digest: str) -> bool:
        """Say whether the blob is stored."""
        return await asyncio.to_thread(self.path_of(digest).exists)

    async def size(self, digest: str) -> int:
        """Return the size in bytes; see `BlobStore.size`."""
        path = self.path_of(digest)
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            raise self._missing(digest) from None

    async def delete(self, digest: str) -> None:
        """Remove the blob; removing it again changes nothing."""
        await asyncio.to_thread(self.path_of(digest).unlink, missing_ok=True)

    async def set_ref(self, name: str, digest: str) -> None:
        """Let `name` mean this digest from now on; readers see the old or the new one, never a part."""
        self.path_of(digest)
        await asyncio.to_thread(self._set_ref, self._ref(name), digest)

    async def get_ref(self, name: str) -> str | None:
        """Return what `name` means; None when it is not set or when what it means is no longer stored."""
        return await asyncio.to_thread(self._get_ref, self._ref(name))

    def _begin(self) -> _Writer:
        with self._space_named():
            return _Writer.begin(self._root / "tmp")

    def _write(self, writer: _Writer, chunk: bytes) -> None:
        with self._space_named():
            writer.write(chunk)

    def _finish(self, writer: _Writer, expected: str | None) -> str:
        with self._space_named():
            digest = writer.finish()
            _check(digest, expected)
            self._adopt(writer.temporary, digest)
            return digest

    def _adopt(self, temporary: Path, digest: str) -> None:
        path = self.path_of(digest)
        if path.exists():
            return
        temporary.chmod(0o444)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        _sync_folder(path.parent)

    def _put_file(self, path: Path, expected: str | None) -> str:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        _check(digest, expected)
        if self.path_of(digest).exists():
            return digest
        with self._space_named():
            writer = _Writer.begin(self._root / "tmp")
            try:
                _link_or_copy(path, writer)
                self._adopt(writer.temporary, digest)
            finally:
                writer.discard()
        return digest

    def _open(self, digest: str, offset: int) -> IO[bytes]:
        try:
            file = self.path_of(digest).open("rb")
        except FileNotFoundError:
            raise self._missing(digest) from None
        file.seek(offset)
        return file

    def _ref(self, name: str) -> Path:
        if not _REF.match(name):
            raise BlobError(f"{name!r} cannot name a blob; use letters, digits, dot, dash and underscore")
        return self._root / "refs" / name

    def _set_ref(self, path: Path, digest: str) -> None:
        with self._space_named():
            writer = _Writer.begin(self._root / "tmp")
            try:
                writer.write(digest.encode())
                writer.finish()
                path.parent.mkdir(parents=True, exist_ok=True)
                writer.temporary.replace(path)
                _sync_folder(path.parent)
            finally:
                writer.discard()

    def _get_ref(self, path: Path) -> str | None:
        try:
            digest = path.read_text()
        except FileNotFoundError:
            return None
        return digest if self.path_of(digest).exists() else None

    def _missing(self, digest: str) -> BlobMissingError:
        return BlobMissingError(f"no blob {digest} in {self._root}")

    @contextmanager
    def _space_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StorageFullError(f"no space left below {self._root}; free some there") from error


def _check(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatchError(f"expected {expected}, but the bytes are {digest}; send them again")


def _link_or_copy(path: Path, writer: _Writer) -> None:
    """Let the writer's file be `path` itself, or a copy of it on another file system."""
    writer.discard()
    try:
        os.link(path, writer.temporary)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(path, writer.temporary)
    with writer.temporary.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
