"""What `up` does and prints, and how it stays in the foreground; it returns its exit code."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import typer
from slipway.connection import state_folder

from slipway_standalone import display, watch
from slipway_standalone.bringing_up import bring_up
from slipway_standalone.errors import PortError
from slipway_standalone.interruption import Interruption
from slipway_standalone.outcome import errors_shown
from slipway_standalone.report import Report, report_to_terminal
from slipway_standalone.running import Run, running_supervisor
from slipway_standalone.stop import stop
from slipway_standalone.wishes import Wishes


@errors_shown
def up(  # noqa: PLR0913 - one parameter per option
    *,
    state: Path | None,
    detach: bool,
    host: str | None,
    ports: Mapping[str, int | None],
    port_range: str,
    only_servers: bool,
    patience_minutes: float,
    verbose: bool,
    as_json: bool,
) -> int:
    """Start the platform; in the foreground, stay until it ends."""
    os.umask(0o077)
    wishes = Wishes(
        state=state or state_folder(),
        host=host,
        ports={name: number for name, number in ports.items() if number is not None},
        port_range=_range(port_range),
        only_servers=only_servers,
        detach=detach,
        patience_minutes=patience_minutes,
        environment=dict(os.environ),
    )
    report = report_to_terminal(verbose=verbose, quiet=as_json)
    interruption = Interruption()
    with interruption.heeded():
        start = time.perf_counter()
        run = bring_up(wishes, report, interruption)
        seconds = time.perf_counter() - start
        if as_json:
            display.as_json(display.run_object(run, seconds=seconds, steps=report.seconds))
        else:
            typer.echo(display.run_text(run, seconds=seconds))
        return 0 if detach or run.was_running else _stay(run, report, interruption)


def _stay(run: Run, report: Report, interruption: Interruption) -> int:
    """Keep the platform up until somebody ends it."""
    try:
        report.tell("Ctrl-C stops it; the data stay.")
        end = watch.until_end(run, report, interruption)
    except KeyboardInterrupt:
        end = None
    if end == "stopped elsewhere":
        report.tell("Stopped by another command.")
        return 0
    interruption.ignore()
    report.tell("Stopping." if end is None else "The supervisor was killed; stopping the rest.")
    with run.folder.locked():
        stop(run.folder, running_supervisor(run.folder), report)
    report.tell("Stopped. `slipway up` brings everything back.")
    return 1 if end == "supervisor died" else 0


def _range(text: str) -> range:
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and 0 < int(low) <= int(high) < 1 << 16):
        raise PortError(f"{text!r} is not a range of ports.", remedy="Write it like 8700-8999.")
    return range(int(low), int(high) + 1)
