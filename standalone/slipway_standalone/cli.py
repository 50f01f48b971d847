"""The commands `up`, `down` and `status`: options in, results out, no decisions."""

import asyncio
import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from slipway_standalone import display, projections, status, watch
from slipway_standalone.connection import Connection
from slipway_standalone.errors import PortError, StandaloneError
from slipway_standalone.folder import StateFolder, default_folder
from slipway_standalone.report import Report
from slipway_standalone.stop import stop
from slipway_standalone.up import Run, running_supervisor, up
from slipway_standalone.wishes import Wishes

StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="State folder; default $SLIPWAY_STATE, else ~/.local/state/slipway."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_END_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print the time of each step.")]


def register(app: typer.Typer) -> None:
    """Add the commands of the standalone platform to a command line."""
    app.command("up")(_up)
    app.command("down")(_down)
    app.command("status")(_status)
    tables = typer.Typer(no_args_is_help=True, help="The tables that the log is folded into.")
    tables.command("rebuild")(_rebuild)
    tables.command("verify")(_verify)
    app.add_typer(tables, name="projections")


def _up(  # noqa: PLR0913 - one parameter per option
    *,
    state: StateOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready.")] = False,
    host: Annotated[str, typer.Option(help="Address of API and gateway.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
    gateway_port: Annotated[int | None, typer.Option(help="Port of the gateway.")] = None,
    ports: Annotated[str, typer.Option(help="Range of all other ports, LOW-HIGH.")] = "8700-8999",
    only: Annotated[Literal["servers"] | None, typer.Option(hidden=True)] = None,
    verbose: VerboseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Start the platform on this machine, or say where it runs."""
    with _errors_shown(as_json=as_json), _every_signal_interrupts():
        wanted = {"api": port, "gateway": gateway_port}
        wishes = Wishes(
            state=_state(state),
            host=host,
            ports={name: number for name, number in wanted.items() if number is not None},
            port_range=_range(ports),
            only_servers=only == "servers",
            detach=detach,
            environment=dict(os.environ),
        )
        report = _report(verbose=verbose, quiet=as_json)
        start = time.perf_counter()
        run = up(wishes, report)
        seconds = time.perf_counter() - start
        if as_json:
            display.as_json(display.run_object(run, seconds=seconds, steps=report.seconds))
        else:
            typer.echo(display.run_text(run, seconds=seconds))
        if not detach and not run.was_running:
            _stay(run, report)


def _down(*, state: StateOption = None, verbose: VerboseOption = False, as_json: JsonOption = False) -> None:
    """Stop the platform; its data stay, and `up` brings everything back."""
    with _errors_shown(as_json=as_json):
        folder = _existing(state)
        report = _report(verbose=verbose, quiet=as_json)
        with folder.locked():
            stopped = stop(folder, running_supervisor(folder), report)
        if as_json:
            display.as_json({"state": str(folder.path), "stopped": stopped, "steps": report.seconds})
        else:
            typer.echo("Stopped." if stopped else "Nothing runs.")


def _status(*, state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show every process; the exit code is 0 only when all are ready."""
    with _errors_shown(as_json=as_json):
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
        if not is_ready:
            raise typer.Exit(1)


def _rebuild(*, state: StateOption = None) -> None:
    """Make the tables anew from the log, then put them in the place of those in use."""
    with _errors_shown(as_json=False):
        raise typer.Exit(projections.rebuild(_existing(state), os.environ, "--swap"))


def _verify(*, state: StateOption = None) -> None:
    """Compare the tables in use with what the log says; the exit code is 1 when they differ."""
    with _errors_shown(as_json=False):
        raise typer.Exit(projections.rebuild(_existing(state), os.environ, "--verify"))


def _stay(run: Run, report: Report) -> None:
    """Keep the platform up until somebody ends it."""
    try:
        report.tell("Ctrl-C stops it; the data stay.")
        end = watch.until_end(run, report)
    except KeyboardInterrupt:
        end = None
    if end == "stopped elsewhere":
        report.tell("Stopped by another command.")
        return
    for number in _END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    report.tell("Stopping." if end is None else "The supervisor was killed; stopping the rest.")
    with run.folder.locked():
        stop(run.folder, running_supervisor(run.folder), report)
    report.tell("Stopped. `slipway up` brings everything back.")
    if end == "supervisor died":
        raise typer.Exit(1)


@contextmanager
def _errors_shown(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped before it was up.", err=True)
        raise typer.Exit(130) from None
    except StandaloneError as error:
        display.show_error(error, json_wanted=as_json)
        raise typer.Exit(1) from None
    except OSError as error:
        problem = StandaloneError(f"{error.filename or 'A file'}: {error.strerror}.", remedy=_remedy(error))
        display.show_error(problem, json_wanted=as_json)
        raise typer.Exit(1) from None


@contextmanager
def _every_signal_interrupts() -> Iterator[None]:
    """Treat the end of the session like Ctrl-C, so that nothing half started stays."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(*, verbose: bool, quiet: bool) -> Report:
    return Report(say=(lambda _line: None) if quiet else typer.echo, verbose=verbose)


def _state(named: Path | None) -> Path:
    return named or default_folder(os.environ)


def _existing(named: Path | None) -> StateFolder:
    folder = StateFolder(_state(named).expanduser().absolute())
    folder.load()
    return folder


def _range(text: str) -> range:
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and 0 < int(low) <= int(high) < 1 << 16):
        raise PortError(f"{text!r} is not a range of ports.", remedy="Write it like 8700-8999.")
    return range(int(low), int(high) + 1)


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "Free some space on that disk, then repeat the command."
    return "Make the path writable for this user, then repeat the command."
