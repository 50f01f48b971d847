"""Starts one program: records its pid, takes its place, ties its life to the supervisor's, becomes it.

Run as a script by a bare interpreter, so it imports nothing of ours.
"""

import ctypes
import json
import os
import pwd
import resource
import signal
import subprocess
import sys
from pathlib import Path

_OPEN_FILES = 65536
_PR_SET_PDEATHSIG = 1


def main(name: str) -> None:
    """Become the program whose specification lies in `programs/<name>.json` of the working folder."""
    specification = json.loads(Path("programs", f"{name}.json").read_text())
    supervisor = int(json.loads(Path("run", "supervisord.json").read_text())["pid"])
    _record(name)
    os.chdir(specification["directory"])
    _raise_open_files()
    _restore_signals()
    os.nice(specification["niceness"])
    if specification["account"] is not None:
        _take_account(specification["account"])
    _die_with(supervisor, signal.Signals[f"SIG{specification['end_signal']}"])
    if specification["niceness"] == 0:
        _begin_session()
    command = specification["command"]
    os.execve(command[0], command, specification["environment"])  # noqa: S606


def start_time(pid: int) -> str | None:
    """What tells a process from a later one of the same pid; none when there is no such process."""
    if sys.platform != "linux":
        return _start_time_by_ps(pid)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else f"{boot}:{fields[18]}"


def _start_time_by_ps(pid: int) -> str | None:
    ran = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ran.stdout.strip() or None


def _record(name: str) -> None:
    record = Path("run", f"{name}.json")
    new = record.with_suffix(".new")
    try:
        new.write_text(json.dumps({"pid": os.getpid(), "start": start_time(os.getpid())}))
        new.replace(record)
    except OSError as error:
        # A full disk must not keep a crashed server down; the death signal still prevents an orphan.
        sys.stderr.write(f"guard: {record} cannot be written: {error}\n")


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _restore_signals() -> None:
    """Undo what the interpreter ignores, because a program inherits it."""
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)


def _take_account(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _die_with(supervisor: int, end_signal: signal.Signals) -> None:
    """Ask Linux for a signal when the supervisor dies; taking an account later would clear that wish."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, end_signal.value, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit("guard: the supervisor that asked for this process is gone")


def _begin_session() -> None:
    """Leave the supervisor's: Linux may share the processor among sessions, and heed niceness in each only.

    See "The autogroup feature" of sched(7).
    """
    # The leader of a process group, which supervisord makes of each program, can begin none.
    os.setpgid(0, os.getpgid(os.getppid()))
    os.setsid()


if __name__ == "__main__":
    main(sys.argv[1])
