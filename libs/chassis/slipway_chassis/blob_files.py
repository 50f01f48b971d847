"""Files on their way to becoming blobs, and the lock under which blobs come and go. Knows no digests."""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from slipway_chassis.logs import get_logger

_log: Final = get_logger()


@dataclass
class UnfinishedFile:
    """A temporary file that becomes a blob when it is complete."""

    temporary: Path
    file: IO[bytes]
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @classmethod
    def begin(cls, folder: Path) -> Self:
        """Open a new file in this folder."""
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / secrets.token_hex(16)
        return cls(temporary=temporary, file=temporary.open("xb"))

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self.digest.update(chunk)
        self.file.write(chunk)

    def finish(self) -> str:
        """Let the bytes reach the disk and return their digest."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        return f"sha256:{self.digest.hexdigest()}"

    def discard(self) -> None:
        """Remove it, unless it has become something else."""
        self.file.close()
        self.temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path, *, untouched_since: float) -> None:
    """Remove the files in this folder that nobody has touched since then, in seconds since 1970.

    A file that cannot be removed is named in the service's log and left.
    """
    for path in folder.glob("*"):
        try:
            if path.stat().st_mtime < untouched_since:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("an unfinished blob cannot be removed", path=str(path), problem=str(error))


def sync_folder(folder: Path) -> None:
    """Let what was renamed in a folder outlast a power cut."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder against all threads and processes that lock it too; the lock ends with its process.

    The folder itself is locked: a lock file could not be made on a full disk, where removing helps most.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    with _opened(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
