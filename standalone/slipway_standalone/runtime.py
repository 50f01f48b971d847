"""The runtime folder: a short private place for unix sockets, whose paths may have 107 bytes at most.

Beside it one in memory, for what must reach no disk.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from slipway_standalone.errors import RuntimeFolderError
from slipway_standalone.private_files import PRIVATE_FOLDER

LONGEST_FOLDER: Final = 80
"""Room for the longest socket name, and for the pid that supervisord appends while it binds."""

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - ownership and mode are checked


@dataclass(frozen=True)
class RuntimeFolder:
    """Paths of the sockets of one installation."""

    path: Path

    @property
    def supervisor(self) -> Path:  # noqa: D102
        return self.path / "supervisor.sock"

    @property
    def envoy_admin(self) -> Path:  # noqa: D102
        return self.path / "envoy.sock"

    @property
    def memory(self) -> Path:
        """Where the secrets of replicas may lie; the name holds the same hash."""
        return SHARED_MEMORY / f"slipway-{os.geteuid()}-{self.path.name.rpartition('-')[2]}"

    def remove(self) -> None:
        """Leave nothing behind in places that others share."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.rmtree(self.memory, ignore_errors=True)

    @classmethod
    def prepare(cls, state: Path, environment: Mapping[str, str]) -> Self:
        """Create or check the folders that belong to a state folder; without `/dev/shm` none in memory.

        Raises:
            RuntimeFolderError: Somebody else has put something in its place.
        """
        runtime = cls(folder_for(state, uid=os.geteuid(), session=environment.get("XDG_RUNTIME_DIR")))
        _make_private(runtime.path)
        if SHARED_MEMORY.is_dir():
            _make_private(runtime.memory)
        return runtime


def folder_for(state: Path, *, uid: int, session: str | None) -> Path:
    """The user's session folder where there is one, else `/tmp`; the name holds a hash of the state path."""
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    if session and len(os.fsencode(session)) + 30 <= LONGEST_FOLDER and _is_own(Path(session), uid):
        return Path(session) / f"slipway-{name}"
    return Path("/tmp") / f"slipway-{uid}-{name}"  # noqa: S108 - ownership and mode are checked


def _make_private(path: Path) -> None:
    try:
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise _unusable(path, "it is not a private folder of this user")


def _is_own(folder: Path, uid: int) -> bool:
    try:
        return folder.stat().st_uid == uid and os.access(folder, os.W_OK)
    except OSError:
        return False


def _unusable(path: Path, reason: str) -> RuntimeFolderError:
    return RuntimeFolderError(
        f"{path} cannot hold sockets or secrets: {reason}.",
        remedy="Remove it; for the sockets, XDG_RUNTIME_DIR may name a folder of your own.",
    )
