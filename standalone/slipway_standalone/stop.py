"""Stops a run in the order that loses nothing: services, replicas, Envoy, then NATS and Postgres."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from slipway_standalone import former
from slipway_standalone.errors import SupervisorUnreachableError
from slipway_standalone.folder import StateFolder
from slipway_standalone.plan import SERVERS
from slipway_standalone.report import Report
from slipway_standalone.runtime import RuntimeFolder
from slipway_standalone.supervision import Supervisor

_LOOK_EVERY: Final = 0.02
_PHASE_SECONDS: Final = 60.0


def stop(folder: StateFolder, supervisor: Supervisor | None, report: Report) -> bool:
    """Stop everything of this state folder; False when nothing ran. Data stays.

    What a dead supervisor has left behind is ended as well.

    Raises:
        StopError: A process outlived every signal.
    """
    if supervisor is not None:
        _stop_in_order(supervisor, report)
    ended = former.end_all(folder.records)
    former.forget(folder.records)
    if runtime := folder.load().runtime:
        RuntimeFolder(Path(runtime)).remove()
    return supervisor is not None or bool(ended)


def _stop_in_order(supervisor: Supervisor, report: Report) -> None:
    phases: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("services stopped", lambda name: name.startswith("services:")),
        ("replicas stopped", lambda name: name not in SERVERS),
        ("envoy stopped", lambda name: name == "envoy"),
        ("nats and postgres stopped", lambda _: True),
    )
    try:
        for name, belongs in phases:
            with report.step(name):
                _stop_all(supervisor, belongs)
        supervisor.shut_down()
    except SupervisorUnreachableError:
        # Killed under our hands; what it left is ended by its records.
        return


def _stop_all(supervisor: Supervisor, belongs: Callable[[str], bool]) -> None:
    asked: set[str] = set()
    deadline = time.monotonic() + _PHASE_SECONDS
    while time.monotonic() < deadline:
        remaining = [
            process for process in supervisor.processes() if belongs(process.name) and not process.has_ended
        ]
        if not remaining:
            return
        for process in remaining:
            if process.name not in asked or process.state == "BACKOFF":
                supervisor.stop(process.name)
                asked.add(process.name)
        time.sleep(_LOOK_EVERY)
