"""Content-addressed blobs behind one interface, and the store that keeps them in a folder.

Knows nothing of what a blob means; removing unused blobs is the business of whoever knows their users.
"""

import asyncio
import errno
import filecmp
import hashlib
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final, Protocol

from slipway_chassis.blob_files import UnfinishedFile, locked, remove_unfinished, sync_folder
from slipway_chassis.errors import (
    BlobError,
    BlobMissingError,
    DigestMismatchError,
    IncomingMissingError,
    IncomingUnsettledError,
    StorageFullError,
)
from slipway_chassis.incoming import FoundFile, IncomingFolder

CHUNK: Final = 1 << 20
_READ_ONLY: Final = 0o444
_DIGEST: Final = re.compile(r"^sha256:([0-9a-f]{64})$")
_REF: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$")


class BlobStore(Protocol):
    """Blobs by digest (`sha256:<hex>`), and small named references to them."""

    async def put(self, stream: AsyncIterable[bytes], *, expected: str | None = None) -> str:
        """Store a stream and return its digest; storing it again changes nothing.

        Without `expected` that mends a damaged blob. What is `expected` and stored already is not read.

        Raises:
            DigestMismatchError: the stream is not `expected`.
            StorageFullError: no space is left.
        """
        ...

    def open(self, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the bytes in chunks.

        Raises:
            BlobMissingError: it is not stored.
        """
        ...

    def as_file(self, digest: str) -> AbstractAsyncContextManager[Path]:
        """Give a local file with the bytes, to be read only, while the body runs.

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

    async def claim(self, digest: str) -> bool:
        """Say whether the blob is stored, and if so keep it from every `reclaim` that looks back beyond now.

        Storing a blob claims it, also one that was stored before.
        """
        ...

    async def reclaim(self, digest: str, *, unclaimed_since: datetime) -> bool:
        """Remove a blob, unless somebody stored or claimed it since then; say whether it is gone.

        Claiming and reclaiming exclude each other: a claim that succeeds after this moment's is kept.
        """
        ...

    async def remove_unfinished(self, *, older_than: timedelta) -> None:
        """Remove what is left of a `put` whose process was killed, when nobody wrote to it for so long.

        What cannot be removed is named in the service's log and left. Blobs are not touched.
        """
        ...

    async def set_ref(self, name: str, digest: str) -> None:
        """Let `name` mean this digest from now on."""
        ...

    async def get_ref(self, name: str) -> str | None:
        """Return what `name` means, if it is set."""
        ...

    async def found(self) -> list[FoundFile]:
        """Return the files that were placed in storage by hand, by path."""
        ...

    async def adopt(self, path: str, *, listed: FoundFile | None = None) -> str:
        """Store a file that was placed by hand and return its digest; the file stays where it is.

        Adopting it again changes nothing. Only the bytes that were hashed are stored: who goes on writing
        into the file does not change the blob.

        Args:
            path: as in `found`.
            listed: refuse a file that changed since.

        Raises:
            IncomingMissingError: there is no such file.
            IncomingRefusedError: the path leads elsewhere, or to what is no plain file.
            IncomingUnsettledError: the file changes while it is read, or changed since it was listed.
            StorageFullError: no space is left.
        """
        ...

    async def dismiss(self, path: str, digest: str) -> None:
        """Remove an adopted file, for its blob is stored; one with other bytes is left.

        Repeating it changes nothing. Call it when the log says what was adopted.

        Raises:
            IncomingRefusedError: the path leads elsewhere, or to what is no plain file.
        """
        ...


class FilesystemBlobStore:
    """Blobs as read-only files `sha256/<2 hex>/<64 hex>` below one folder that processes may share.

    A blob appears complete or not at all, also after a power cut. Two processes that store the same blob
    at once both succeed. People place files for adoption in its folder `incoming`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unfinished = root / "tmp"
        self._incoming = IncomingFolder(root / "incoming")

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
        if expected is not None and await self.claim(expected):
            return expected
        writer = await asyncio.to_thread(self._begin)
        try:
            async for chunk in stream:
                await asyncio.to_thread(self._write, writer, chunk)
            return await asyncio.to_thread(self._finish, writer, expected)
        finally:
            await asyncio.to_thread(writer.discard)

    async def open(self, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the bytes from `offset` in chunks of 1 MiB; see `BlobStore.open`."""
        file = await asyncio.to_thread(self._open, digest, offset)
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    @asynccontextmanager
    async def as_file(self, digest: str) -> AsyncIterator[Path]:
        """Give the blob's own file; see `BlobStore.as_file`."""
        await self.size(digest)
        yield self.path_of(digest)

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

    async def claim(self, digest: str) -> bool:
        """Say whether the blob is stored, and keep it; see `BlobStore.claim`.

        A blob that belongs to another user counts as absent: storing it again makes it one's own.
        """
        return await asyncio.to_thread(self._claim, digest)

    async def reclaim(self, digest: str, *, unclaimed_since: datetime) -> bool:
        """Remove the blob unless it was claimed; see `BlobStore.reclaim`. The file system's clock counts."""
        return await asyncio.to_thread(self._reclaim, digest, unclaimed_since.timestamp())

    async def remove_unfinished(self, *, older_than: timedelta) -> None:
        """Remove what killed processes left; see `BlobStore.remove_unfinished`."""
        since = time.time() - older_than.total_seconds()
        await asyncio.to_thread(remove_unfinished, self._unfinished, untouched_since=since)

    async def set_ref(self, name: str, digest: str) -> None:
        """Let `name` mean this digest from now on; readers see the old or the new one, never a part."""
        self.path_of(digest)
        await asyncio.to_thread(self._set_ref, self._ref(name), digest)

    async def get_ref(self, name: str) -> str | None:
        """Return what `name` means; None when it is not set or when what it means is no longer stored."""
        return await asyncio.to_thread(self._get_ref, self._ref(name))

    async def found(self) -> list[FoundFile]:
        """Return the files that were placed by hand; see `BlobStore.found`."""
        return await asyncio.to_thread(self._incoming.found)

    async def adopt(self, path: str, *, listed: FoundFile | None = None) -> str:
        """Copy a file that was placed by hand; see `BlobStore.adopt`."""
        return await asyncio.to_thread(self._adopt_found, path, listed)

    async def dismiss(self, path: str, digest: str) -> None:
        """Remove an adopted file; see `BlobStore.dismiss`."""
        await asyncio.to_thread(self._dismiss, path, digest)

    def _adopt_found(self, path: str, listed: FoundFile | None) -> str:
        with self._incoming.opened(path, listed=listed) as file:
            writer = self._begin()
            try:
                while chunk := file.read(CHUNK):
                    self._write(writer, chunk)
                file.check_settled()
                return self._finish(writer, None)
            finally:
                writer.discard()

    def _dismiss(self, path: str, digest: str) -> None:
        if not self.path_of(digest).exists():
            return
        try:
            with self._incoming.opened(path) as file:
                content = hashlib.sha256()
                while chunk := file.read(CHUNK):
                    content.update(chunk)
                file.check_settled()
                if digest == f"sha256:{content.hexdigest()}":
                    self._incoming.remove(file)
        except (IncomingMissingError, IncomingUnsettledError):
            return

    def _begin(self) -> UnfinishedFile:
        with self._space_named():
            return UnfinishedFile.begin(self._unfinished)

    def _write(self, writer: UnfinishedFile, chunk: bytes) -> None:
        with self._space_named():
            writer.write(chunk)

    def _finish(self, writer: UnfinishedFile, expected: str | None) -> str:
        with self._space_named():
            digest = writer.finish()
            _check(digest, expected)
            self._adopt(writer.temporary, digest)
            return digest

    def _adopt(self, temporary: Path, digest: str) -> None:
        path = self.path_of(digest)
        temporary.chmod(_READ_ONLY)
        path.parent.mkdir(parents=True, exist_ok=True)
        is_sound = _is_same(path, temporary)
        with locked(path.parent):
            if not is_sound or not _touched(path):
                temporary.replace(path)
        sync_folder(path.parent)

    def _claim(self, digest: str) -> bool:
        path = self.path_of(digest)
        try:
            with locked(path.parent):
                return _touched(path)
        except FileNotFoundError:
            return False

    def _reclaim(self, digest: str, since: float) -> bool:
        path = self.path_of(digest)
        try:
            with locked(path.parent):
                if path.stat().st_ctime >= since:
                    return False
                path.unlink()
        except FileNotFoundError:
            return True
        return True

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
            writer = UnfinishedFile.begin(self._unfinished)
            try:
                writer.write(digest.encode())
                writer.finish()
                path.parent.mkdir(parents=True, exist_ok=True)
                writer.temporary.replace(path)
                sync_folder(path.parent)
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


def _is_same(stored: Path, file: Path) -> bool:
    """Say whether both have the same content, which they must have unless the stored one is damaged."""
    try:
        return filecmp.cmp(stored, file, shallow=False)
    except OSError:
        return False


def _touched(path: Path) -> bool:
    """Say whether the file is there, and let its ctime be now: unlike mtime, nobody brings it an old one."""
    try:
        path.chmod(_READ_ONLY)
    except (FileNotFoundError, PermissionError):
        return False
    return True


def _check(digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected:
        raise DigestMismatchError(f"expected {expected}, but the bytes are {digest}; send them again")
