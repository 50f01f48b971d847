"""Stays in the foreground while the platform runs, and tells what ends and comes back."""

import time
from typing import Final, Literal

from slipway_standalone import former
from slipway_standalone.errors import SupervisorUnreachableError
from slipway_standalone.interruption import Interruption
from slipway_standalone.report import Report
from slipway_standalone.running import Run

_LOOK_EVERY: Final = 1.0

End = Literal["stopped elsewhere", "supervisor died"]


def until_end(run: Run, report: Report, interruption: Interruption) -> End:
    """Wait for the end of the supervisor; raises KeyboardInterrupt when the user is faster."""
    known = _pids(run)
    while former.supervisor(run.folder.records) is not None:
        current = _pids(run)
        for name, pid in current.items():
            if pid != known.get(name, pid):
                report.tell(f"{name} ended and is back (pid {pid}).")
        known |= current
        interruption.check()
        time.sleep(_LOOK_EVERY)
    # A supervisor that ends in good order removes its socket.
    return "supervisor died" if run.socket.exists() else "stopped elsewhere"


def _pids(run: Run) -> dict[str, int]:
    try:
        return {process.name: process.pid for process in run.supervisor.processes() if process.pid}
    except SupervisorUnreachableError:
        return {}
