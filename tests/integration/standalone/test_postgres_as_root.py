"""Root's Postgres: its account reaches neither state nor wheel, and nothing is opened up for it."""

import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.standalone.driver import IS_ROOT
from slipway_standalone import accounts, wheels
from slipway_standalone.credentials import POSTGRES_ROLES, Credentials
from slipway_standalone.errors import PostgresUserError
from slipway_standalone.postgres import PostgresServer

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="needs root")
CREDENTIALS = Credentials(nats={}, postgres=dict.fromkeys(POSTGRES_ROLES, "x"))


@pytest.fixture(scope="module")
def hidden_installation() -> Iterator[Path]:
    """The wheel's binaries below a home that only root may search."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        wheel = wheels.postgres()
        for folder in (wheel, wheel.parent.with_name(f"{wheel.parent.name}.libs")):
            target = Path(home) / "venv" / folder.relative_to(wheel.parent.parent)
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.a", "include"))
        yield Path(home) / "venv" / wheel.relative_to(wheel.parent.parent)


@pytest.fixture
def shared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "shared"


def test_binaries_that_the_account_can_reach_are_used_where_they_are(shared: Path) -> None:
    account = accounts.for_postgres()

    assert accounts.reachable(wheels.postgres(), account, shared=shared) == wheels.postgres()
    assert not shared.exists()


def test_binaries_below_a_private_home_run_from_a_copy(
    hidden_installation: Path, shared: Path, tmp_path: Path
) -> None:
    account = accounts.for_postgres()
    home = hidden_installation.parents[2]

    copy = accounts.reachable(hidden_installation, account, shared=shared)
    server = PostgresServer(installation=copy, folder=tmp_path, account=account)
    server.prepare(CREDENTIALS)

    assert copy.is_relative_to(shared)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (server.data / "PG_VERSION").exists()
    assert account is not None
    assert server.data.stat().st_uid == account.uid


def test_the_copy_is_made_once_and_only_root_may_change_it(hidden_installation: Path, shared: Path) -> None:
    account = accounts.for_postgres()
    copy = accounts.reachable(hidden_installation, account, shared=shared)
    made = copy.stat().st_ino

    again = accounts.reachable(hidden_installation, account, shared=shared)

    assert again.stat().st_ino == made
    assert [
        path for path in shared.rglob("*") if path.stat().st_uid != 0 or path.stat().st_mode & 0o022
    ] == []


def test_the_copy_can_be_read_even_when_root_makes_private_files(
    hidden_installation: Path, shared: Path
) -> None:
    program = (
        "import os, sys; from pathlib import Path; os.umask(0o077)\n"
        "from slipway_standalone import accounts\n"
        "print(accounts.reachable(Path(sys.argv[1]), accounts.for_postgres(), shared=Path(sys.argv[2])))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program, hidden_installation, shared],
        capture_output=True,
        text=True,
        check=True,
    )

    account = accounts.for_postgres()
    copy = Path(ran.stdout.strip())
    assert accounts.reachable(copy, account, shared=shared / "unused") == copy


def test_a_place_for_the_copy_that_cannot_be_written_is_named(hidden_installation: Path) -> None:
    with pytest.raises(PostgresUserError, match="/proc/shared"):
        accounts.reachable(hidden_installation, accounts.for_postgres(), shared=Path("/proc/shared"))
