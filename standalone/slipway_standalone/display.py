"""How results look on a terminal and as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import typer
from slipway.connection import ConnectionFile

from slipway_standalone.choices import PRIVATE_RECEIVERS
from slipway_standalone.errors import StandaloneError
from slipway_standalone.folder import StateFolder
from slipway_standalone.running import Run
from slipway_standalone.status import ProcessStatus

_COLUMNS = ("process", "state", "pid", "uptime", "memory", "ready")


def as_json(content: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def run_object(run: Run, *, seconds: float, steps: Mapping[str, float]) -> dict[str, Any]:
    """A platform that is up, for machines."""
    return {
        **asdict(run.connection),
        "state": str(run.folder.path),
        "was_running": run.was_running,
        "webhook_private_addresses": bool(run.folder.load().private_receivers),
        "seconds": round(seconds, 3),
        "steps": dict(steps),
    }


def run_text(run: Run, *, seconds: float) -> str:
    """A platform that is up, for people."""
    head = "Slipway is running already." if run.was_running else f"Slipway is up ({seconds:.1f} s)."
    places = {
        "API": run.connection.url,
        "gateway": run.connection.gateway_url,
        "key": run.connection.key_file,
        "logs": str(run.folder.path / "logs"),
    }
    if run.folder.load().private_receivers:
        places["webhooks"] = f"may go to private addresses; {PRIVATE_RECEIVERS}=false forbids it"
    return "\n".join([head, *(f"  {name:<9}{place}" for name, place in places.items())])


def status_object(
    folder: StateFolder, found: Sequence[ProcessStatus], *, is_running: bool, is_ready: bool
) -> dict[str, Any]:
    """All processes, for machines."""
    connection = asdict(ConnectionFile.load(folder.path)) if is_running else {}
    return {
        "state": str(folder.path),
        "running": is_running,
        "ready": is_ready,
        **connection,
        "processes": [asdict(process) for process in found],
    }


def status_text(connection: ConnectionFile, found: Sequence[ProcessStatus]) -> str:
    """All processes, for people."""
    rows = [_COLUMNS, *(_row(process) for process in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    total = sum(process.memory_mb or 0.0 for process in found)
    places = f"API {connection.url}   gateway {connection.gateway_url}   memory {total:.0f} MB"
    return "\n".join([*(line.rstrip() for line in lines), "", places])


def show_error(error: StandaloneError, *, json_wanted: bool) -> None:
    """The fact, the last lines of the log in question, and what to do."""
    if json_wanted:
        as_json({"error": {"fact": error.fact, "remedy": error.remedy, "log": list(error.log)}})
        return
    typer.secho(f"Error: {error.fact}", fg=typer.colors.RED, err=True)
    for line in error.log:
        typer.echo(f"  | {line}", err=True)
    typer.echo(error.remedy, err=True)


def _row(process: ProcessStatus) -> tuple[str, ...]:
    ready = "-" if process.ready is None else "yes" if process.ready else "no"
    return (
        process.name if process.replica is None else process.replica.spoken,
        process.state,
        str(process.pid or "-"),
        "-" if process.uptime_s is None else _duration(process.uptime_s),
        "-" if process.memory_mb is None else f"{process.memory_mb:.1f} MB",
        f"{ready}: {process.reason}" if process.reason else ready,
    )


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
