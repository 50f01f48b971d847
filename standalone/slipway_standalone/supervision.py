"""How the platform talks to its supervisord: the configuration it reads and the calls it answers."""

import http.client
import json
import shlex
import socket
import sys
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway_standalone import guard
from slipway_standalone.errors import StateFolderError, SupervisorUnreachableError
from slipway_standalone.plan import Program

_ANSWER_SECONDS: Final = 10.0
_ENDED: Final = frozenset({"STOPPED", "EXITED", "FATAL"})
_FAULT_SHUTTING_DOWN: Final = 6
_FAULT_ALREADY_STARTED: Final = 60
_FAULT_NOT_RUNNING: Final = 70


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """What supervisord knows about one program."""

    name: str
    """With its group: `services:api`."""
    state: str
    pid: int
    started_at: int
    """Seconds since the epoch; 0 when it never ran."""
    reason: str

    @property
    def is_up(self) -> bool:  # noqa: D102
        return self.state in {"STARTING", "RUNNING"}

    @property
    def has_ended(self) -> bool:  # noqa: D102
        return self.state in _ENDED


def configuration(programs: Iterable[Program], *, identifier: str, socket_path: Path) -> str:
    """The text of `supervisord.conf`; its relative paths count from the state folder."""
    programs = tuple(programs)
    sections = [
        _section("unix_http_server", {"file": str(socket_path), "chmod": "0700"}),
        _section(
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "identifier": identifier,
                "logfile": "logs/supervisord.log",
                "logfile_maxbytes": "2MB",
                "logfile_backups": "2",
                "pidfile": "run/supervisord.pid",
                "childlogdir": "logs",
                "nocleanup": "true",
                "minfds": "1024",
            },
        ),
        _section(
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        _section("include", {"files": "engine/programs/*.conf"}),
        *(_program_section(program) for program in programs),
        *_group_sections(programs),
    ]
    return "\n".join(sections)


def specification(program: Program) -> str:
    """What the guard reads before it becomes the program."""
    return json.dumps(
        {
            "command": program.command,
            "directory": program.directory,
            "account": program.account,
            "niceness": program.niceness,
            "end_signal": program.end_signal,
            "environment": dict(program.environment),
        },
        indent=2,
    )


class Supervisor:
    """Calls of a running supervisord."""

    def __init__(self, socket_path: Path) -> None:
        self._server = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(socket_path))

    def identifier(self) -> str:  # noqa: D102
        return str(self._call("supervisor.getIdentification"))

    def processes(self) -> list[ProcessState]:
        """All programs, those of the engine as well."""
        return [
            ProcessState(
                name=_full_name(info["group"], info["name"]),
                state=info["statename"],
                pid=info["pid"],
                started_at=info["start"],
                reason=info["spawnerr"],
            )
            for info in self._call("supervisor.getAllProcessInfo")
        ]

    def start(self, name: str) -> None:
        """Start a program or a group (`services:*`) without waiting; one that runs is left alone."""
        self._call_unless(_FAULT_ALREADY_STARTED, "supervisor.startProcess", name)

    def stop(self, name: str) -> None:
        """Ask a program or a group to end, without waiting; one that does not run is left alone."""
        self._call_unless(_FAULT_NOT_RUNNING, "supervisor.stopProcess", name)

    def reload(self, name: str) -> None:
        """Let a program read its configuration again; one that does not run is left alone."""
        self._call_unless(_FAULT_NOT_RUNNING, "supervisor.signalProcess", name, last="HUP")

    def shut_down(self) -> None:
        """Ask supervisord to end all that still runs and itself, without waiting."""
        self._call_unless(_FAULT_SHUTTING_DOWN, "supervisor.shutdown")

    def _call_unless(self, harmless: int, method: str, *names: str, last: object = False) -> None:
        arguments: tuple[Any, ...] = (*names, last) if names else ()
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != harmless:
                raise

    def _call(self, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - whatever XML-RPC carries
        try:
            return getattr(self._server, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorUnreachableError(
                f"The supervisor does not answer: {error}", remedy="`slipway up` starts it again."
            ) from error


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ANN401 - as inherited
        return _UnixConnection(host, self._path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, host: str, path: Path) -> None:
        super().__init__(host, timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _full_name(group: str, name: str) -> str:
    return name if group == name else f"{group}:{name}"


def _program_section(program: Program) -> str:
    guarded = shlex.join([sys.executable, "-I", "-S", "-B", guard.__file__, program.name])
    return _section(
        f"program:{program.name}",
        {
            "command": guarded,
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "1000000",
            "stopsignal": program.end_signal,
            "stopwaitsecs": str(program.patience_seconds),
            "killasgroup": "true",
            "priority": str(program.priority),
            "redirect_stderr": "true",
            "stdout_logfile": f"logs/{program.name}.log",
            "stdout_logfile_maxbytes": "5MB",
            "stdout_logfile_backups": "2",
        },
    )


def _group_sections(programs: Iterable[Program]) -> list[str]:
    groups: dict[str, list[Program]] = {}
    for program in programs:
        if program.group is not None:
            groups.setdefault(program.group, []).append(program)
    return [
        _section(
            f"group:{name}",
            {
                "programs": ",".join(member.name for member in members),
                "priority": str(max(member.priority for member in members)),
            },
        )
        for name, members in groups.items()
    ]


def _section(name: str, options: dict[str, str]) -> str:
    lines = "".join(f"{key} = {_escaped(value)}\n" for key, value in options.items())
    return f"[{name}]\n{lines}"


def _escaped(value: str) -> str:
    """A value that survives supervisord's comments and expansions."""
    if " ;" in value or " #" in value or "\n" in value:
        raise StateFolderError(
            f"supervisord cannot read the path in {value!r}.",
            remedy="Install below a path without ';' and '#'.",
        )
    return value.replace("%", "%%")
