"""The Postgres cluster of an installation: created, its roles kept in step, and how it is started.

It runs the wheel's binaries only, never the wheel's Python API, which would open up parent folders.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_standalone import accounts, private_files, roles
from slipway_standalone.accounts import Account
from slipway_standalone.credentials import Credentials
from slipway_standalone.errors import StartError

DATABASE: Final = "slipway"
_DROPPED_DATA: Final = "/proc/self/cwd"
_INITDB: Final = (
    "--username=slipway", "--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8", "--no-instructions", "--set=max_connections=40", "--set=shared_buffers=32MB",
)  # fmt: skip
_ACCESS: Final = "host all all 127.0.0.1/32 scram-sha-256\n"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "jit": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "30min",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "autovacuum_naptime": "5min",
}


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A cluster whose binaries and data its account can reach."""

    installation: Path
    folder: Path
    account: Account | None = None
    """Who runs it; none: whoever runs the platform."""

    @property
    def data(self) -> Path:  # noqa: D102
        return self.folder / "data"

    def command(self, port: int) -> tuple[str, ...]:
        """The command line; it is to be started in the data folder."""
        settings = {**_SETTINGS, "port": str(port)}
        options = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        return (str(self.installation / "bin" / "postgres"), "-D", self._data_argument(self.data), *options)

    def prepare(self, credentials: Credentials) -> None:
        """Create the cluster when there is none, and bring its roles up to date; an unfinished one is redone.

        Raises:
            StartError: initdb or the role statements failed; holds their last lines.
            OSError: The folder cannot be written.
        """
        applied = self.folder / "roles.sha256"
        if not self.data.exists():
            self._initialise(credentials)
        elif not applied.exists() or applied.read_text() != credentials.postgres_fingerprint:
            self._remove_stale_lock()
            self._apply(self.data, roles.statements(credentials.postgres) + roles.rights(DATABASE))
        if not applied.exists() or applied.read_text() != credentials.postgres_fingerprint:
            private_files.write(applied, credentials.postgres_fingerprint)
        self._remove_stale_lock()

    def _initialise(self, credentials: Credentials) -> None:
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=private_files.PRIVATE_FOLDER)
        self._hand_over(new)
        self._run(new, "initdb", "-D", self._data_argument(new), *_INITDB)
        first = roles.first_statements(DATABASE) + roles.rights(DATABASE)
        self._apply(new, roles.statements(credentials.postgres) + first)
        private_files.write(new / "pg_hba.conf", _ACCESS)
        self._hand_over(new / "pg_hba.conf")
        new.rename(self.data)

    def _apply(self, data: Path, statements: tuple[str, ...]) -> None:
        """Run statements in single-user mode, where nobody else can connect yet."""
        script = "".join(f"{statement};\n\n" for statement in statements)
        ran = self._run(
            data, "postgres", "--single", "-j", "-D", self._data_argument(data), "template1", script=script
        )
        if "ERROR:" in ran.stderr:
            raise _failed("postgres --single", ran)

    def _run(
        self, data: Path, program: str, *arguments: str, script: str = ""
    ) -> subprocess.CompletedProcess[str]:
        # As root the data folder may lie below folders that the account cannot search. Its working folder
        # is set before the account is taken, and /proc/self/cwd needs no right to search the parents.
        ran = subprocess.run(
            [str(self.installation / "bin" / program), *arguments],
            cwd=data,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            input=script,
            text=True,
            capture_output=True,
            check=False,
            **accounts.subprocess_arguments(self.account),
        )
        if ran.returncode != 0:
            raise _failed(program, ran)
        return ran

    def _data_argument(self, data: Path) -> str:
        return str(data) if self.account is None else _DROPPED_DATA

    def _hand_over(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _remove_stale_lock(self) -> None:
        """Drop the lock file of a dead postmaster, whose pid another process may have by now."""
        lock = self.data / "postmaster.pid"
        if lock.exists() and not _works_in(lock.read_text().partition("\n")[0], self.data):
            lock.unlink()


def _works_in(pid: str, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _failed(program: str, ran: subprocess.CompletedProcess[str]) -> StartError:
    lines = (ran.stdout + ran.stderr).strip().splitlines()
    return StartError(
        f"{program} ended with exit code {ran.returncode}.",
        remedy="See its last lines below; `slipway up` may be repeated.",
        log=lines[-12:],
    )
