"""The engine's files: which programs are wished for, what each shall run, what became of it.

A program's file in the folder `programs` is the wish itself: it is written before supervisord hears of it and
removed before supervisord is told to end it, so a wish survives a crash at any line.
"""

import asyncio
import errno
import fcntl
import json
import math
import os
import random
import re
import shlex
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_contracts.workload import ReplicaRef, Workload

from slipway_engines.errors import EngineUnavailableError, TargetFullError
from slipway_engines.supervisor.atomic_file import write_private
from slipway_engines.supervisor.launcher import ports, process_tree
from slipway_engines.supervisor.launcher.launch_config import LaunchConfig
from slipway_engines.supervisor.launcher.layout import Layout
from slipway_engines.supervisor.launcher.replica_record import BLOCKED, EXITED, STOPPED, ReplicaRecord
from slipway_engines.supervisor.secret_files import SecretFiles
from slipway_engines.supervisor.settings import SupervisorSettings

_LAUNCHER: Final = Path(__file__).with_name("launcher") / "start.py"
_LOCK_SECONDS: Final = 10.0
_STOP_MARGIN_SECONDS: Final = 10
_ENDED: Final = frozenset({EXITED, STOPPED, BLOCKED})


@dataclass(frozen=True, order=True)
class Program:
    """The name of one start of one replica: a replica that is removed and wished for again gets a new one."""

    workload: str
    replica: str
    run: str
    name: str


class ProgramFiles:
    """The files of one engine folder that carry one installation's id; others are not even looked at."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self.layout = Layout(str(settings.folder))
        self._settings = settings
        self._secrets = SecretFiles(settings)
        self._prefix = f"slipway-{settings.installation}-"
        self._pattern = re.compile(
            re.escape(self._prefix) + r"(?P<workload>[0-9a-f]{16})-(?P<replica>\d+-\d+)-(?P<run>[0-9a-f]+)$"
        )

    def make_folders(self) -> None:
        """Make the folders that are missing; only this user may look inside.

        Raises:
            EngineUnavailableError: they cannot be made.
        """
        with _named(self.layout.root):
            Path(self.layout.root).mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.layout.programs, self.layout.records, self.layout.replicas):
                Path(folder).mkdir(mode=0o700, exist_ok=True)

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Be the only one, over all processes, who changes wishes here; held for milliseconds.

        Raises:
            EngineUnavailableError: somebody holds it for 10 s, or the files cannot be written.
        """
        with _named(self.layout.root):
            self.make_folders()
            descriptor = os.open(
                Path(self.layout.root) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                await _flock(descriptor)
                yield
            finally:
                os.close(descriptor)

    def carries_our_id(self, name: str) -> bool:
        """Say whether a program belongs to this installation."""
        return name.startswith(self._prefix)

    def wished(self) -> list[Program]:
        """Return the programs that shall exist."""
        return self._programs(self.layout.programs, ".conf")

    def known(self) -> list[Program]:
        """Return the programs that exist or that ended not long ago."""
        return self._programs(self.layout.replicas, "")

    def is_wished(self, program: Program) -> bool:
        """Say whether a program shall exist."""
        return Path(self.layout.program_file(program.name)).exists()

    def newest(self, ref: ReplicaRef) -> Program | None:
        """Return the last start of a replica, if there is one still."""
        starts = [each for each in self.known() if (each.workload, each.replica) == (ref.workload.id, ref.id)]
        return max(starts, default=None)

    def config(self, program: Program) -> LaunchConfig | None:
        """Return what a program shall run; None when that cannot be read or names somebody else."""
        try:
            config = LaunchConfig.load(self.layout.config_file(program.name))
        except (OSError, ValueError):
            return None
        return config if config.installation == self._settings.installation else None

    def record(self, program: Program) -> ReplicaRecord | None:
        """Return what the launcher last wrote down; None before it did."""
        return ReplicaRecord.load(self.layout.record_file(program.name))

    def create(
        self,
        workload: Workload,
        replicas: Sequence[str],
        image: dict[str, object],
        secrets: Mapping[str, str] | None = None,
    ) -> list[Program]:
        """Write down the wishes for these replicas. Only under the lock.

        Raises:
            EngineUnavailableError: there is no place for their secrets, or no port for one of them.
        """
        free_ports = self._free_ports()
        latest = {each.replica: int(each.run, 16) for each in self.known() if each.workload == workload.id}
        programs = []
        for replica in replicas:
            # It sorts after the earlier ones, also after the clock was set back.
            run = f"{max(time.time_ns() // 1000, latest.get(replica, -1) + 1):x}"
            name = f"{self._prefix}{workload.id}-{replica}-{run}"
            program = Program(workload=workload.id, replica=replica, run=run, name=name)
            port = workload.fixed_port or next(free_ports)
            self._write(program, workload, self._config(program, workload, port, image), secrets)
            programs.append(program)
        return programs

    def _config(
        self, program: Program, workload: Workload, port: int, image: dict[str, object]
    ) -> LaunchConfig:
        return LaunchConfig(
            program=program.name,
            installation=self._settings.installation,
            target=workload.target,
            group=workload.group,
            deployment=workload.deployment,
            endpoint=workload.endpoint,
            workload=workload.id,
            replica=program.replica,
            argv=list(workload.command.argv),
            shell=workload.command.shell,
            working_dir=workload.command.working_dir,
            environment=workload.literals,
            port=port,
            fixed_port=workload.fixed_port is not None,
            health=workload.health,
            grace_seconds=workload.grace_seconds,
            image=image,
            traceparent=workload.traceparent,
            secrets=sorted(workload.secrets),
            timeout_seconds=workload.timeout_seconds,
        )

    def _write(
        self, program: Program, workload: Workload, config: LaunchConfig, secrets: Mapping[str, str] | None
    ) -> None:
        folder = Path(self.layout.replica_folder(program.name))
        self.tell(program, workload, secrets)
        folder.mkdir(mode=0o700)
        write_private(folder / "launch.json", config.dump())
        write_private(Path(self.layout.program_file(program.name)), self._program_text(program.name, config))

    def was_told_otherwise(self, program: Program, secrets: Mapping[str, str] | None) -> bool:
        """Say whether a replica may run with other secrets than these."""
        return bool(secrets) and self._secrets.differ(program.name, secrets or {})

    def tell(self, program: Program, workload: Workload, secrets: Mapping[str, str] | None) -> None:
        """Hand over the values of a replica's secrets, those that are known. Only under the lock."""
        known = {name: value for name, value in (secrets or {}).items() if name in workload.secrets}
        self._secrets.tell(program.name, known)

    def is_whole(self, program: Program) -> bool:
        """Say whether a wish can be carried out: a power cut may have emptied its files.

        What runs already needs its files no more; and what a newer release wrote is none of our business.
        """
        record = self.record(program)
        if record is not None and process_tree.is_alive(record.launcher_pid, record.launcher_ticks):
            return True
        try:
            told = Path(self.layout.program_file(program.name)).read_text()
            return bool(told.strip()) and isinstance(json.loads(self._config_text(program)), dict)
        except (FileNotFoundError, ValueError):
            return False

    def _config_text(self, program: Program) -> str:
        return Path(self.layout.config_file(program.name)).read_text(encoding="utf-8")

    def withdraw(self, program: Program) -> None:
        """Take a wish back, to be ended whatever was noted of it before; doing so again changes nothing."""
        self._dismissed(program).unlink(missing_ok=True)
        Path(self.layout.program_file(program.name)).unlink(missing_ok=True)
        self._secrets.drop(program.name)

    def withdrawn(self) -> list[Program]:
        """Return the programs that nobody wishes for and that supervisord may still know."""
        wished = set(self.wished())
        return [each for each in self.known() if each not in wished and not self._dismissed(each).exists()]

    def has_ended(self, program: Program) -> bool:
        """Say whether nothing of a replica runs any more; what outlived a killed launcher is ended first."""
        record = self.record(program)
        if record is not None and record.status in _ENDED:
            return True
        if record is not None and process_tree.is_alive(record.launcher_pid, record.launcher_ticks):
            return False
        process_tree.kill(process_tree.holders(self.layout.replica_folder(program.name)))
        return True

    def dismiss(self, program: Program) -> None:
        """Note that supervisord has forgotten a program; what its replica was told in confidence goes.

        Raises:
            EngineUnavailableError: that cannot be written, as on a full disk.
        """
        config = self.config(program)
        # Another process may have noted it before, and deleted the files since.
        with _named(self.layout.root), suppress(FileNotFoundError):
            if config is not None:
                config.environment = {}
                write_private(Path(self.layout.config_file(program.name)), config.dump())
            self._secrets.drop(program.name)
            self._dismissed(program).touch()

    def forget_unwished_secrets(self) -> None:
        """Forget the secrets of what nobody wishes for. Only under the lock."""
        self._secrets.keep_only({each.name for each in self.wished()})

    def dismissed_before(self, moment: float) -> list[Program]:
        """Return the programs that supervisord forgot before this time, in seconds since the epoch."""
        return [
            each
            for each in self.known()
            if (file := self._dismissed(each)).exists()
            and file.stat().st_mtime < moment
            and not self.is_wished(each)
        ]

    def _programs(self, folder: str, suffix: str) -> list[Program]:
        try:
            names = [each.name for each in Path(folder).iterdir()]
        except FileNotFoundError:
            return []
        found = (self._pattern.match(name.removesuffix(suffix)) for name in names if name.endswith(suffix))
        return sorted(Program(**match.groupdict(), name=match[0]) for match in found if match)

    def _dismissed(self, program: Program) -> Path:
        return Path(self.layout.replica_folder(program.name)) / "dismissed"

    def _free_ports(self) -> Iterator[int]:
        """Return ports that are free and that no wish holds, each once.

        Raises:
            TargetFullError: there is no other.
        """
        held = {config.port for each in self.wished() if (config := self.config(each)) is not None}
        first, last = self._settings.first_port, self._settings.last_port
        count = last - first + 1
        start = random.randrange(count)  # noqa: S311 - two installations should not try the same ports first
        for offset in range(count):
            port = first + (start + offset) % count
            if port not in held and ports.is_free(port):
                yield port
        raise TargetFullError(f"no port from {first} to {last} is free; end some replicas")

    def _program_text(self, name: str, config: LaunchConfig) -> str:
        folder = self.layout.replica_folder(name)
        command = shlex.join([str(self._settings.python), "-I", "-S", str(_LAUNCHER), folder])
        lines = {
            "command": command,
            "autostart": "true",
            "autorestart": "false",
            "startsecs": "0",
            "startretries": "0",
            "stopwaitsecs": str(math.ceil(config.grace_seconds) + _STOP_MARGIN_SECONDS),
            "redirect_stderr": "true",
            "stdout_logfile": str(Path(folder) / "launcher.txt"),
            "stdout_logfile_maxbytes": "256KB",
            "stdout_logfile_backups": "0",
        }
        text = "\n".join(f"{key}={value.replace('%', '%%')}" for key, value in lines.items())
        return f"[program:{name}]\n{text}\n"


async def _flock(descriptor: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise EngineUnavailableError(
                    "another process has been changing the target for 10 s"
                ) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.02)
        else:
            return


@contextmanager
def _named(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = TargetFullError if error.errno in {errno.ENOSPC, errno.EDQUOT} else EngineUnavailableError
        raise kind(f"the engine's files below {folder} cannot be written: {error}") from error
