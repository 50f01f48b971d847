"""Drives the standalone platform as a user does: by its commands, in processes of their own."""

import contextlib
import json
import os
import pwd
import random
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

PLAIN_USER: Final = "nobody"
SERVERS: Final = ("nats", "postgres", "envoy")
ONLY_SERVERS: Final = ("--only", "servers")
IS_ROOT: Final = os.geteuid() == 0


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A Python that can run the platform, and who runs it."""

    python: Path
    user: str | None = None


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One state folder and the commands on it."""

    state: Path
    installation: Installation
    ports: range
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        return [
            str(self.installation.python),
            "-m",
            "slipway_standalone",
            *arguments,
            "--state",
            str(self.state),
        ]

    def up_command(self, *arguments: str) -> list[str]:
        wide = ("--ports", f"{self.ports.start}-{self.ports.stop - 1}")
        return self.command("up", *wide, *arguments)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, **self.as_user()
        )

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self.as_user()
        )

    def up(self, *arguments: str) -> dict[str, Any]:
        """Start the servers; the object that was printed."""
        ran = self.run(self.up_command("--detach", "--json", *ONLY_SERVERS, *arguments))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return dict(json.loads(ran.stdout))

    def failing_up(self, *arguments: str) -> str:
        """What a refused start says."""
        ran = self.run(self.up_command("--detach", *ONLY_SERVERS, *arguments))
        assert ran.returncode == 1, ran.stdout + ran.stderr
        return ran.stderr

    def down(self) -> str:
        ran = self.run(self.command("down"))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run(self.command("status", "--json")).stdout))

    def server_states(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.status()["processes"] if each["name"] in SERVERS}

    def are_servers_ready(self) -> bool:
        states = self.server_states()
        return len(states) == len(SERVERS) and all(state["ready"] for state in states.values())

    def pid(self, program: str) -> int:
        return int(json.loads((self.state / "run" / f"{program}.json").read_text())["pid"])

    def pids(self) -> dict[str, int]:
        return {program: self.pid(program) for program in ("supervisord", *SERVERS)}

    def port(self, name: str) -> int:
        """Where a process listens; 0 before that is chosen."""
        path = self.state / "installation.json"
        return int(json.loads(path.read_text())["ports"].get(name, 0)) if path.exists() else 0

    def nats_url(self, user: str) -> str:
        passwords = json.loads((self.state / "credentials.json").read_text())["nats"]
        return f"nats://{user}:{passwords[user]}@127.0.0.1:{self.port('nats')}"

    def database_url(self, role: str) -> str:
        passwords = json.loads((self.state / "credentials.json").read_text())["postgres"]
        return f"postgresql://{role}:{passwords[role]}@127.0.0.1:{self.port('postgres')}/slipway"

    def is_listening(self, server: str) -> bool:
        port = self.port("gateway" if server == "envoy" else server)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    async def can_log_in(self, role: str) -> None:
        connection = await asyncpg.connect(self.database_url(role))
        await connection.close()

    def as_user(self) -> dict[str, Any]:
        inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        arguments: dict[str, Any] = {
            "env": inherited | {"HOME": str(self.state.parent)} | self.environment,
            "cwd": "/",
        }
        if self.installation.user is not None:
            entry = pwd.getpwnam(self.installation.user)
            arguments |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        return arguments


MakePlatform = Callable[..., Platform]


def end(platform: Platform) -> None:
    """Stop a platform; whatever runs in its folder after that is an orphan."""
    if platform.state.exists():
        platform.run(platform.command("down"))
    assert not processes_in(platform.state)


def random_ports() -> range:
    start = random.randrange(30_000, 32_600, 40)  # noqa: S311 - no secret
    return range(start, start + 40)


def processes_in(folder: Path) -> dict[int, str]:
    """All processes that work in a folder or below, by their command."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
        except OSError:
            continue
    return found


def count_in(folder: Path) -> dict[str, int]:
    """How many of each server, and of the supervisor, run in a folder; Postgres with its backends is one."""
    programs = {pid: _program(pid) for pid in processes_in(folder)}
    return Counter(name for pid, name in programs.items() if name and programs.get(_parent(pid)) != name)


def _program(pid: int) -> str | None:
    try:
        executable = Path(f"/proc/{pid}/exe").readlink().name
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return None
    if "slipway_standalone.supervisord" in command:
        return "supervisord"
    return {"nats-server": "nats"}.get(executable, executable)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def plain_installation() -> Iterator[Installation]:
    """An environment that a plain user can run, with everything that this one has."""
    if not IS_ROOT:
        yield Installation(python=Path(sys.executable))
        return
    python = _reachable_python()
    if python is None:
        pytest.skip(f"the user {PLAIN_USER} can run no Python of this version")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="plain-") as folder:
        Path(folder).chmod(0o755)
        environment = Path(folder) / "venv"
        subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True, capture_output=True)
        packages = environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        here = sysconfig.get_path("purelib")
        (packages / "everything.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        yield Installation(python=environment / "bin" / "python", user=PLAIN_USER)


def _reachable_python() -> str | None:
    """An interpreter of this version that the plain user can run."""
    name = f"python{sysconfig.get_python_version()}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        with contextlib.suppress(OSError):
            if (
                subprocess.run([python, "-V"], user=PLAIN_USER, capture_output=True, check=False).returncode
                == 0
            ):
                return python
    return None
