"""What `down`, `status` and `projections` do and print; each returns its exit code."""

import asyncio
import os
from pathlib import Path
from typing import Literal

import typer

from slipway_standalone import display, projections, status
from slipway_standalone.connection import Connection
from slipway_standalone.folder import StateFolder, default_folder
from slipway_standalone.outcome import errors_shown
from slipway_standalone.report import report_to_terminal
from slipway_standalone.run import running_supervisor
from slipway_standalone.stop import stop


@errors_shown
def down(*, state: Path | None, verbose: bool, as_json: bool) -> int:
    """Stop the platform and whatever a killed supervisor has left."""
    folder = _existing(state)
    report = report_to_terminal(verbose=verbose, quiet=as_json)
    with folder.locked():
        stopped = stop(folder, running_supervisor(folder), report)
    if as_json:
        display.as_json({"state": str(folder.path), "stopped": stopped, "steps": report.seconds})
    else:
        typer.echo("Stopped." if stopped else "Nothing runs.")
    return 0


@errors_shown
def show_status(*, state: Path | None, as_json: bool) -> int:
    """Show every process; 0 only when all are ready."""
    folder = _existing(state)
    supervisor = running_supervisor(folder)
    found = asyncio.run(status.processes(folder, supervisor)) if supervisor else []
    is_ready = bool(found) and status.is_all_ready(found)
    if as_json:
        display.as_json(
            display.status_object(folder, found, is_running=supervisor is not None, is_ready=is_ready)
        )
    elif supervisor is None:
        typer.echo(f"Not running: {folder.path}. `slipway up` starts it.")
    else:
        typer.echo(display.status_text(Connection.load(folder), found))
    return 0 if is_ready else 1


@errors_shown
def rebuild_projections(*, state: Path | None, how: Literal["--swap", "--verify"]) -> int:
    """Rebuild the tables, then swap them in, or compare them."""
    return projections.rebuild(_existing(state), os.environ, how)


def _existing(named: Path | None) -> StateFolder:
    folder = StateFolder((named or default_folder(os.environ)).expanduser().absolute())
    folder.load()
    return folder
