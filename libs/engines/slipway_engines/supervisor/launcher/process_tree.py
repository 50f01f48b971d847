"""Reads and ends processes through /proc."""

import os
import signal

_STATE = 0
_PARENT = 1
_STARTED = 19


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it has ended, reaped or not."""
    fields = _stat(pid)
    return int(fields[_STARTED]) if fields else None


def boot() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def is_alive(pid: int, ticks: int) -> bool:
    """Say whether the process that had this id and start time still runs."""
    return start_ticks(pid) == ticks


def descendants(pid: int) -> list[int]:
    """Return the living descendants of a process, parents first."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        fields = _stat(each)
        if fields:
            children.setdefault(int(fields[_PARENT]), []).append(each)
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found[1:]


def holders(folder: str) -> list[int]:
    """Return the processes with a variable that names a place below this folder, as a replica's HOME does.

    Processes whose environment may not be read belong to somebody else.
    """
    value = b"=" + os.fsencode(folder) + b"/"
    return [pid for pid in _pids() if value in _environment(pid) and start_ticks(pid) is not None]


def kill(pids: list[int]) -> None:
    """Send SIGKILL; a process that has ended already is fine."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            data = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name in parentheses may hold spaces and parentheses itself.
    fields = data[data.rindex(b")") + 2 :].split()
    return [] if fields[_STATE] in (b"Z", b"X") else fields


def _environment(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
