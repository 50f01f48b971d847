"""Files on their way to becoming blobs, and the lock under which blobs come and go. Knows no digests."""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

_COPIED_INSTEAD: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP)


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

    def become(self, path: Path) -> None:
        """Be `path` itself, or a copy of it on another file system."""
        self.discard()
        try:
            os.link(path, self.temporary)
        except OSError as error:
            if error.errno not in _COPIED_INSTEAD:
                raise
            shutil.copyfile(path, self.temporary)
        with self.temporary.open("rb") as file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove it, unless it has become something else."""
        self.file.close()
        self.temporary.unlink(missing_ok=True)


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
