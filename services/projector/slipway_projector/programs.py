"""What the service, its commands and the parts of a rebuild have in common as programs."""

import gc
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncpg
import uvloop
from slipway_chassis.errors import SlipwayError
from slipway_chassis.settings import SettingsError
from slipway_store.connections import UNAVAILABLE

from slipway_projector.settings import ProjectorSettings

REFUSED: Final = 2
"""Exit code of what could not be done; the reason is on stderr."""
_COLLECT_AFTER: Final = 100_000


def collect_seldom(after: int = _COLLECT_AFTER) -> None:
    """Let the collector pass over what was imported, and look at the rest after so many new objects.

    Messages and rows are in no cycles: what it would find is not worth looking at each of them.
    """
    gc.freeze()
    gc.set_threshold(after, 50, 100)


def say(*lines: str) -> None:
    """Write lines for the user, now; once nobody reads them any more, the work goes on unsaid."""
    try:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is buffered must not fail once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run_command(work: Callable[[ProjectorSettings], Coroutine[Any, Any, int]]) -> int:
    """Run a command to its end; return its exit code, `REFUSED` with the reason on stderr where it failed."""
    collect_seldom()
    try:
        return uvloop.run(work(ProjectorSettings.load()))
    except (SettingsError, SlipwayError, ValueError, OSError, asyncpg.PostgresError, *UNAVAILABLE) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        return REFUSED
