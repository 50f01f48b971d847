"""The state folder: where things lie in it, what makes it usable, and who works on it now.

It does not know what the processes write into their parts.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from slipway.connection import CONNECTION_FILE

from slipway_standalone import private_files
from slipway_standalone.errors import FolderBusyError, StateFolderError
from slipway_standalone.key_files import KeyFiles

FORMAT: Final = 2
"""Grows with every field of `Installation`: an older release says so, rather than that it is damaged."""
UNQUOTABLE: Final = frozenset("%*?[]\"'\\;#$") | {chr(code) for code in (*range(32), 127)}
FREE_BYTES_NEEDED: Final = 256 << 20
_MADE_FIRST: Final = frozenset({"lock", ".installation.json.new"})
_PARTS: Final = (
    "logs",
    "run",
    "programs",
    "nats",
    "postgres",
    "envoy",
    "blobs",
    "blobs/incoming",
    "engine",
    "engine/programs",
    "builder",
    "keys",
)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What stays the same over all runs of one state folder."""

    id: str
    ports: Mapping[str, int] = field(default_factory=dict)
    runtime: str | None = None
    host: str | None = None
    """Where API and gateway listen, since the last start; None: an older release made that."""
    private_receivers: bool | None = None
    """Whether webhooks may go to addresses that are not public; None: nobody has said so."""
    format: int = FORMAT


@dataclass(frozen=True)
class StateFolder:
    """Paths of one installation."""

    path: Path

    @property
    def installation(self) -> Path:  # noqa: D102
        return self.path / "installation.json"

    @property
    def connection(self) -> Path:
        """Where clients find the URLs and the key."""
        return self.path / CONNECTION_FILE

    @property
    def admin_key(self) -> Path:  # noqa: D102
        return self.path / "admin.key"

    @property
    def credentials(self) -> Path:  # noqa: D102
        return self.path / "credentials.json"

    @property
    def nats_config(self) -> Path:  # noqa: D102
        return self.path / "nats" / "nats.conf"

    @property
    def keys(self) -> KeyFiles:  # noqa: D102
        return KeyFiles(self.path / "keys")

    @property
    def supervisord_config(self) -> Path:  # noqa: D102
        return self.path / "supervisord.conf"

    @property
    def records(self) -> Path:
        """One file per started process: its pid and start time."""
        return self.path / "run"

    def log(self, program: str) -> Path:  # noqa: D102
        return self.path / "logs" / f"{program}.log"

    def specification(self, program: str) -> Path:
        """What the guard of a program is to run."""
        return self.path / "programs" / f"{program}.json"

    def load(self) -> Installation:
        """The installation of an existing folder.

        Raises:
            StateFolderError: It is not a state folder, is damaged, or was written by a newer version.
        """
        try:
            content = json.loads(self.installation.read_text())
            is_known = content["format"] <= FORMAT
            known = Installation(**{**content, "format": FORMAT}) if is_known else None
        except FileNotFoundError:
            raise StateFolderError(
                f"{self.path} is not a state folder.", remedy="Name another with --state, or `slipway up`."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateFolderError(
                f"{self.installation} cannot be read: {error!r}", remedy="Restore it from a backup."
            ) from error
        if known is None:
            raise StateFolderError(
                f"{self.path} was written by a newer version (format {content['format']}, known {FORMAT}).",
                remedy="Upgrade this program, or name another folder with --state.",
            )
        return known

    def save(self, installation: Installation) -> None:  # noqa: D102
        private_files.write_json(self.installation, asdict(installation))

    def update(self, **changes: object) -> Installation:
        """Save the installation with some fields changed."""
        installation = replace(self.load(), **changes)  # type: ignore[arg-type]
        self.save(installation)
        return installation

    @classmethod
    @contextmanager
    def prepared(cls, path: Path) -> Iterator[Self]:
        """Create or check the folder, and keep other commands off it; repeating it changes nothing.

        Raises:
            StateFolderError: It cannot be used; the message says why and what helps.
            FolderBusyError: Another command works on it.
        """
        folder = cls(path.expanduser().absolute())
        with folder._refusals_explained():
            folder._check_path()
            folder.path.mkdir(mode=private_files.PRIVATE_FOLDER, parents=True, exist_ok=True)
            folder._check_owner()
            if not folder._lock.exists():
                folder._check_contents()
        with folder.locked():
            with folder._refusals_explained():
                folder._check_contents()
                folder._fill()
            yield folder

    def check_space(self) -> None:
        """Refuse to start where the servers would soon fail to write.

        Raises:
            StateFolderError: The disk is all but full.
        """
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES_NEEDED:
            raise StateFolderError(
                f"The disk of {self.path} has {free >> 20} MiB free, "
                f"{FREE_BYTES_NEEDED >> 20} MiB are needed.",
                remedy="Free some space, or name a folder on another disk with --state.",
            )

    @contextmanager
    def locked(self, *, patience: float = 60.0) -> Iterator[None]:
        """Keep other commands off this folder; they wait up to `patience` seconds.

        Raises:
            FolderBusyError: Another command did not finish in time.
        """
        with open(self._lock, "a", opener=private_files.opener) as lock:
            deadline = time.monotonic() + patience
            while not _take(lock.fileno()):
                if time.monotonic() > deadline:
                    raise FolderBusyError(
                        f"Another command has been working on {self.path} for {patience:.0f} s.",
                        remedy="Wait for it, or end it.",
                    )
                time.sleep(0.1)
            yield

    @property
    def _lock(self) -> Path:
        """The first file of a folder, so that of two commands at once one waits for the other."""
        return self.path / "lock"

    @contextmanager
    def _refusals_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateFolderError(
                f"{self.path} cannot be written: {error.strerror}.",
                remedy="Name a folder of your own with --state or SLIPWAY_STATE.",
            ) from error

    def _check_path(self) -> None:
        unquotable = sorted(set(str(self.path)) & UNQUOTABLE)
        if unquotable:
            raise StateFolderError(
                f"The path {str(self.path)!r} holds {' '.join(map(repr, unquotable))}.",
                remedy="Name a path without these with --state; spaces and letters of any script are fine.",
            )

    def _check_contents(self) -> None:
        if self.installation.exists():
            self.load()
        elif any(entry.name not in _MADE_FIRST for entry in self.path.iterdir()):
            raise StateFolderError(
                f"{self.path} holds files that are not of an installation.",
                remedy="Name an empty or a new folder with --state.",
            )

    def _fill(self) -> None:
        self.path.chmod(private_files.PRIVATE_FOLDER)
        if not self.installation.exists():
            self.save(Installation(id=secrets.token_hex(6)))
        for part in _PARTS:
            (self.path / part).mkdir(mode=private_files.PRIVATE_FOLDER, exist_ok=True)

    def _check_owner(self) -> None:
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise StateFolderError(
                f"{self.path} belongs to user id {owner}, this is user id {os.geteuid()}.",
                remedy="Run as its owner, or name another folder with --state.",
            )


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
