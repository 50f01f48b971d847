"""How a command ends: an exit code, and what it raised as lines or as one JSON object."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from slipway_standalone import display
from slipway_standalone.errors import StandaloneError

Arguments = ParamSpec("Arguments")
_INTERRUPTED = 130


def errors_shown(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Turn what a command raises into lines, or an object where JSON is wanted, and an exit code."""

    @wraps(command)
    def shown(*positional: Arguments.args, **named: Arguments.kwargs) -> int:
        try:
            return command(*positional, **named)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            return _INTERRUPTED
        except StandaloneError as error:
            problem = error
        except OSError as error:
            place = error.filename or "A file"
            problem = StandaloneError(f"{place}: {error.strerror}.", remedy=_remedy(error))
        display.show_error(problem, json_wanted=bool(named.get("as_json")))
        return 1

    return shown


def _remedy(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "Free some space on that disk, then repeat the command."
    return "Make the path writable for this user, then repeat the command."
