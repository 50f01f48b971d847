"""The account that runs Postgres when the platform runs as root, and a copy of the binaries it can reach."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from slipway_standalone.errors import PostgresUserError

SHARED: Final = Path("/var/lib/slipway")
_UNPRIVILEGED: Final = ("nobody", "postgres")
_FOLDER_MODE: Final = 0o755
_READABLE: Final = 0o444


class SubprocessArguments(TypedDict):
    """How `subprocess` takes another account; all None for the present one."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True, kw_only=True)
class Account:
    """An entry of the password file; initdb refuses a user id that has none."""

    name: str
    uid: int
    gid: int


def for_postgres() -> Account | None:
    """None unless this is root, which Postgres refuses to run as.

    Raises:
        PostgresUserError: There is no unprivileged account.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresUserError(
        "Postgres refuses to run as root, and there is no account `nobody`.",
        remedy="Run as a plain user, or add the account.",
    )


def subprocess_arguments(account: Account | None) -> SubprocessArguments:
    """For `subprocess.run`."""
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def reachable(installation: Path, account: Account | None, *, shared: Path = SHARED) -> Path:
    """The Postgres installation itself, or a copy outside of folders that the account may not search.

    The parents of the original keep their modes.

    Raises:
        PostgresUserError: The copy cannot be written.
    """
    if account is None or _can_run(installation, account):
        return installation
    binary = (installation / "bin" / "postgres").stat()
    copy = shared / f"postgres-{binary.st_size:x}-{int(binary.st_mtime):x}"
    try:
        if not copy.exists():
            _copy(installation, copy)
    except OSError as error:
        raise PostgresUserError(
            f"{account.name} cannot reach {installation}, and no copy fits into {shared}: {error.strerror}.",
            remedy="Install the platform where every user may read it, or run it as a plain user.",
        ) from error
    return copy / installation.parent.name / installation.name


def _can_run(installation: Path, account: Account) -> bool:
    try:
        ran = subprocess.run(
            [installation / "bin" / "postgres", "--version"],
            cwd="/",
            capture_output=True,
            check=False,
            **subprocess_arguments(account),
        )
    except PermissionError:
        return False
    return ran.returncode == 0


def _copy(installation: Path, copy: Path) -> None:
    """Copy what initdb and postgres need; the copy appears whole, and a lost race is no error."""
    copy.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    copy.parent.chmod(_FOLDER_MODE)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=copy.parent))
    try:
        package = installation.parent
        target = new / package.name / installation.name
        for part in ("lib", "share"):
            shutil.copytree(
                installation / part, target / part, ignore=shutil.ignore_patterns("*.a", "pkgconfig")
            )
        (target / "bin").mkdir()
        for program in ("initdb", "postgres"):
            shutil.copy2(installation / "bin" / program, target / "bin" / program)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.name)
        _open_up(new)
        if not copy.exists():
            new.rename(copy)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _open_up(copy: Path) -> None:
    """Let everybody read the copy, whatever umask it was made with."""
    copy.chmod(_FOLDER_MODE)
    for path in copy.rglob("*"):
        if path.is_dir():
            path.chmod(_FOLDER_MODE)
        elif not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | _READABLE | (0o111 if mode & 0o100 else 0))
