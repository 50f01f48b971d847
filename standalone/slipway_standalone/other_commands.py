"""What `down`, `status`, `projections`, `log` and `subscriber` do and print; each returns its exit code."""

import asyncio
import os
from pathlib import Path
from typing import Literal

import typer
from slipway.connection import ConnectionFile, state_folder

from slipway_standalone import display, projections, status
from slipway_standalone.folder import StateFolder
from slipway_standalone.outcome import errors_shown
from slipway_standalone.report import report_to_terminal
from slipway_standalone.running import running_supervisor
from slipway_standalone.stop import stop
from slipway_standalone.subscribers import Subscribers


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
        typer.echo(display.status_text(ConnectionFile.load(folder.path), found))
    return 0 if is_ready else 1


@errors_shown
def rebuild_projections(*, state: Path | None, how: Literal["--swap", "--verify"]) -> int:
    """Rebuild the tables, then swap them in, or compare them."""
    return projections.rebuild(_existing(state), os.environ, how)


@errors_shown
def keep_log(*arguments: str, state: Path | None) -> int:
    """Show the log, take a snapshot, or truncate it."""
    return projections.keep_log(_existing(state), os.environ, *arguments)


@errors_shown
def add_subscriber(*, state: Path | None, name: str, group: str, as_json: bool) -> int:
    """Make a user that reads a group, and show how it connects."""
    folder = _existing(state)
    with folder.locked():
        subscribers = Subscribers(folder)
        new = subscribers.add(name, group)
    url = subscribers.url(new)
    if as_json:
        display.as_json({"name": name, "group": group, "subject": new.subject, "url": url})
    else:
        typer.echo(f"{name} may read {new.subject} at\n  {url}")
        typer.echo(f"Try it: nats subscribe --server '{url}' '{new.subject}'")
    return 0


@errors_shown
def list_subscribers(*, state: Path | None, as_json: bool) -> int:
    """Show the users that read groups, without their passwords."""
    found = Subscribers(_existing(state)).all()
    if as_json:
        display.as_json({"subscribers": [{"name": each.name, "group": each.group} for each in found]})
    elif not found:
        typer.echo("There are no subscribers; make one: slipway subscriber add NAME --group GROUP")
    for each in () if as_json else found:
        typer.echo(f"{each.name}  {each.subject}")
    return 0


@errors_shown
def remove_subscriber(*, state: Path | None, name: str, as_json: bool) -> int:
    """Take a user away."""
    folder = _existing(state)
    with folder.locked():
        Subscribers(folder).remove(name)
    if as_json:
        display.as_json({"removed": name})
    else:
        typer.echo(f"{name} is gone.")
    return 0


def _existing(named: Path | None) -> StateFolder:
    folder = StateFolder((named or state_folder()).expanduser().absolute())
    folder.load()
    return folder
