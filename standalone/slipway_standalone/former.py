"""Processes that an earlier run has left behind: found by recorded pid and start time, and ended."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_standalone.errors import StopError
from slipway_standalone.guard import start_time

SUPERVISOR: Final = "supervisord"
_BEGUN: Final = "begun"
_GENTLE: Final = {"postgres": signal.SIGINT}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A process as its guard has recorded it; its pid may belong to somebody else by now."""

    name: str
    pid: int
    start: str

    @property
    def is_alive(self) -> bool:  # noqa: D102
        return start_time(self.pid) == self.start


def recorded(records: Path) -> list[Recorded]:
    """All records that can be read; a torn one belongs to a process that never started."""
    found = []
    for path in sorted(records.glob("*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            content = json.loads(path.read_text())
            found.append(Recorded(name=path.stem, pid=int(content["pid"]), start=str(content["start"])))
    return found


def begin(records: Path) -> None:
    """Note that a run begins: where a later one finds that, this one was cut off."""
    (records / _BEGUN).touch(mode=0o600)


def was_cut_off(records: Path) -> bool:
    """Whether the last run had no orderly end; an older release left records after one that had."""
    return (records / _BEGUN).exists()


def forget(records: Path) -> None:
    """Take the records away after an orderly end."""
    for path in (*records.glob("*.json"), records / _BEGUN):
        path.unlink(missing_ok=True)


def alive(records: Path) -> list[Recorded]:
    """Those that still run."""
    return [record for record in recorded(records) if record.is_alive]


def supervisor(records: Path) -> Recorded | None:
    """The supervisor when it runs."""
    return next((record for record in alive(records) if record.name == SUPERVISOR), None)


def end_all(records: Path, *, patience: float = 5.0) -> list[Recorded]:
    """End every process that still runs, the supervisor first, so that it restarts none; returns them.

    Raises:
        StopError: One outlived SIGKILL, so it hangs in the kernel.
    """
    ended = alive(records)
    _end([record for record in ended if record.name == SUPERVISOR], patience=patience)
    _end([record for record in alive(records) if record.name != SUPERVISOR], patience=patience)
    return ended


def _end(processes: list[Recorded], *, patience: float) -> None:
    for process in processes:
        _send(process, _GENTLE.get(process.name, signal.SIGTERM))
    survivors = _survivors(processes, patience=patience)
    for process in survivors:
        _send(process, signal.SIGKILL)
    if stuck := _survivors(survivors, patience=5.0):
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in stuck)
        raise StopError(f"{names} cannot be killed.", remedy="Look for a hanging disk; a reboot helps.")


def _send(process: Recorded, number: signal.Signals) -> None:
    """Signal it, and nobody who has got its pid since it was looked at."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform != "linux":
            os.kill(process.pid, number)
            return
        descriptor = os.pidfd_open(process.pid)
        try:
            # The descriptor stays that of one process: what is true of it now is true of what it signals.
            if process.is_alive:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _survivors(processes: Iterable[Recorded], *, patience: float) -> list[Recorded]:
    deadline = time.monotonic() + patience
    while survivors := [process for process in processes if process.is_alive]:
        if time.monotonic() > deadline:
            return survivors
        time.sleep(0.02)
    return []
