"""Folders in which builds happen: each is removed at the build's end, or by the next builder that starts.

Several builders may share one root. A lock that dies with its process tells whose folders are left over.
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

_PREFIX: Final = "builder-"
_LOCK: Final = "lock"


class WorkFolders:
    """The folders of this process, in a folder of its own below `root`."""

    def __init__(self, own: Path) -> None:
        self._own = own

    @classmethod
    @contextmanager
    def open(cls, root: Path) -> Iterator[Self]:
        """Remove what dead builders left below `root`, and hold a folder there while the body runs."""
        root.mkdir(parents=True, exist_ok=True)
        own = root / f"{_PREFIX}{uuid4().hex}"
        own.mkdir()
        with _held(own / _LOCK):
            for folder in root.glob(f"{_PREFIX}*"):
                if folder != own:
                    _remove_if_left_over(folder)
            try:
                yield cls(own)
            finally:
                shutil.rmtree(own, ignore_errors=True)

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """Hold an empty folder while the body runs."""
        path = self._own / uuid4().hex
        await asyncio.to_thread(path.mkdir)
        try:
            yield path
        finally:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_if_left_over(folder: Path) -> None:
    # A folder without a lock file is one that its builder makes just now.
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
