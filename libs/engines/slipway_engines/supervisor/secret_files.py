"""The values of secrets between a wish and the start of a replica: in memory-backed files, never on a disk.

One file per program in a folder per engine folder, on a tmpfs of this machine; the engine folder has a link
to it. What is lost with the memory, as in a reboot, is told again by the next wish. Not for anything that has
to outlast the machine; and where the machine swaps, it may swap these pages too.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor.atomic_file import write_private
from slipway_engines.supervisor.launcher.layout import Layout
from slipway_engines.supervisor.launcher.secrets_told import secrets_told
from slipway_engines.supervisor.settings import SupervisorSettings

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder made there is checked to be ours alone
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_OTHERS: Final = 0o077


class SecretFiles:
    """The secret values of one engine folder's programs. All but reading only under the lock of its files."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self._layout = Layout(str(settings.folder))
        self._places = _places(settings)
        place = hashlib.sha256(os.fsencode(settings.folder.resolve())).hexdigest()[:12]
        self._name = f"slipway-{settings.installation}-{place}"

    def differ(self, program: str, values: Mapping[str, str]) -> bool:
        """Say whether a program was told other values than these; what it was not told does not differ."""
        told = secrets_told(self._layout, program)
        return any(told.get(name, value) != value for name, value in values.items())

    def tell(self, program: str, values: Mapping[str, str]) -> None:
        """Add these to the values of a program, if it does not have them already.

        Raises:
            EngineUnavailableError: this machine has no folder in memory, or not this one to itself.
            OSError: the memory is full.
        """
        told = secrets_told(self._layout, program)
        if told != {**told, **values}:
            self._attach()
            write_private(Path(self._layout.secret_file(program)), json.dumps({**told, **values}))

    def drop(self, program: str) -> None:
        """Forget the values of a program; doing so again changes nothing."""
        Path(self._layout.secret_file(program)).unlink(missing_ok=True)

    def keep_only(self, programs: set[str]) -> None:
        """Forget what a crash left behind: values of any but these programs. An empty folder goes too."""
        folder = Path(self._layout.secrets).resolve()
        try:
            found = list(folder.iterdir())
        except FileNotFoundError:
            return
        for each in found:
            if each.stem not in programs:
                each.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def _attach(self) -> None:
        """Let the link lead to a folder in memory that is this user's alone."""
        link = Path(self._layout.secrets)
        old = Path(os.readlink(link)) if link.is_symlink() else None  # noqa: PTH115 - not what it resolves to
        if old is not None and old in [each / self._name for each in self._places] and _is_private(old):
            return
        folder = self._make_folder()
        if old == folder:
            return
        temporary = link.with_name(".secrets.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder)
        temporary.replace(link)
        if old is not None and old.name == self._name:
            shutil.rmtree(old, ignore_errors=True)

    def _make_folder(self) -> Path:
        refused = []
        for place in self._places:
            kind = _filesystem_of(place)
            if kind not in _IN_MEMORY:
                refused.append(f"{place} is {f'on {kind}' if kind else 'missing'}")
                continue
            folder = place / self._name
            folder.mkdir(mode=0o700, exist_ok=True)
            if _is_private(folder):
                return folder
            refused.append(f"{folder} is not a folder of this user alone")
        raise EngineUnavailableError(
            f"secrets may be kept in memory only, and there is no place for them: {'; '.join(refused)}; "
            "mount a tmpfs and name it in the setting runtime_dir"
        )


def _places(settings: SupervisorSettings) -> tuple[Path, ...]:
    if settings.runtime_folder is not None:
        return (settings.runtime_folder,)
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    return (Path(own), SHARED_MEMORY) if own.startswith("/") else (SHARED_MEMORY,)


def _is_private(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return ours and not status.st_mode & _OTHERS


def _filesystem_of(folder: Path) -> str:
    """Return the type of the file system that a folder is on; empty where there is no such folder."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split(" ")[2] == number:
            return source.split(" ")[0]
    return "an unknown file system"
