"""The folder in which people place files by hand, for the platform to find and to take over.

Paths come from requests: none leads out of the folder, by `..` or by a symbolic link. What becomes of a file
is the blob store's business.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from slipway_chassis.errors import IncomingMissingError, IncomingRefusedError, IncomingUnsettledError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY
_NO_LINK: Final = os.O_NOFOLLOW | os.O_NONBLOCK
_MISSING: Final = frozenset({errno.ENOENT})
_LINKED: Final = frozenset({errno.ELOOP, errno.ENOTDIR})


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A file that was placed by hand; `path` is relative to the folder, with `/` between its parts."""

    path: str
    size_bytes: int
    modified_at: datetime

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> "FoundFile":
        """Describe a file by what the file system says of it."""
        modified_at = datetime.fromtimestamp(status.st_mtime, tz=UTC)
        return cls(path=path, size_bytes=status.st_size, modified_at=modified_at)


class OpenFile:
    """A file while it is read."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._began = os.fstat(descriptor)
        self._read = 0
        if not stat.S_ISREG(self._began.st_mode):
            raise IncomingRefusedError(f"{path!r} is no plain file")

    @property
    def found(self) -> FoundFile:
        """What it was when it was opened."""
        return FoundFile.of(self._path, self._began)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        chunk = os.read(self._descriptor, size)
        self._read += len(chunk)
        return chunk

    def is_at(self, status: os.stat_result) -> bool:
        """Say whether this is the status of the same file, as it was when it was opened."""
        return _identity(status) == _identity(self._began)

    def check_settled(self) -> None:
        """Do nothing when it was read to its end and not changed since it was opened.

        Raises:
            IncomingUnsettledError: it was changed, or not read to its end.
        """
        now = os.fstat(self._descriptor)
        if _identity(now) != _identity(self._began) or self._read != now.st_size:
            raise _unsettled(self._path)


class IncomingFolder:
    """Files in one folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def found(self) -> list[FoundFile]:
        """Return all files by path, without hidden ones, links, and names that are no UTF-8."""
        return sorted(self._walk(self._folder, ""), key=lambda file: file.path)

    @contextmanager
    def opened(self, path: str, *, listed: FoundFile | None = None) -> Iterator[OpenFile]:
        """Open a file for reading.

        Args:
            path: relative to the folder.
            listed: what it was when its user saw it in a list.

        Raises:
            IncomingMissingError: there is no such file.
            IncomingRefusedError: the path leads elsewhere, or to what is no plain file.
            IncomingUnsettledError: it is not what was listed any more.
        """
        with self._parent(path) as (folder, name):
            descriptor = self._open(name, os.O_RDONLY | _NO_LINK, path=path, folder=folder)
            try:
                opened = OpenFile(path, descriptor)
                if listed is not None and opened.found != listed:
                    raise _unsettled(path)
                yield opened
            finally:
                os.close(descriptor)

    def remove(self, file: OpenFile) -> None:
        """Remove a file, unless another was put in its place while it was read."""
        with self._parent(file.found.path) as (folder, name):
            try:
                if file.is_at(os.stat(name, dir_fd=folder, follow_symlinks=False)):
                    os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                return

    def _walk(self, folder: Path, above: str) -> Iterator[FoundFile]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, PermissionError):
            return
        for entry in entries:
            path = above + entry.name
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(folder / entry.name, f"{path}/")
                elif entry.is_file(follow_symlinks=False):
                    yield FoundFile.of(path, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Hold the folder of a file open, reached part by part so that no link is followed."""
        *above, name = _parts(path)
        descriptor = self._open(str(self._folder), _FOLDER, path=path)
        try:
            for part in above:
                inner = self._open(part, _FOLDER | _NO_LINK, path=path, folder=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _open(self, name: str, flags: int, *, path: str, folder: int | None = None) -> int:
        try:
            return os.open(name, flags, dir_fd=folder)
        except OSError as error:
            if error.errno in _MISSING:
                raise IncomingMissingError(f"no file {path!r} in {self._folder}") from None
            if error.errno in _LINKED:
                raise IncomingRefusedError(f"{path!r} leads over a link, or over what is no folder") from None
            raise IncomingRefusedError(f"{path!r} cannot be opened: {error.strerror}") from None


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if "\0" in path or not _is_text(path) or any(part.startswith(".") or not part for part in parts):
        raise IncomingRefusedError(
            f"{path!r} names no file here: give its path below the folder, without hidden parts and `..`"
        )
    return parts


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unsettled(path: str) -> IncomingUnsettledError:
    return IncomingUnsettledError(f"{path!r} is still being written; adopt it when that has ended")
