"""What every command shares: its connection options, how it runs, and what its errors and exit codes are.

Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 no API or no right to use it, 130 interrupted.
"""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

import asyncio
import inspect
import json
import shlex
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway.connection import Connection, find_connection
from slipway.errors import InvalidInputError, NotConnectedError, ProblemError, SlipwayError, UnreachableError
from slipway.hints import hint_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.client import Slipway
    from slipway.documents import Document
    from slipway.terminal import Column, Terminal

FAILED: Final = 1
USAGE: Final = 2
NOT_CONNECTED: Final = 3
INTERRUPTED: Final = 130
DEFAULT_GROUP: Final = "default"
_OF_NO_GROUP: Final = frozenset({"group", "instance-type", "target", "gateway", "key"})
"""Commands about what does not belong to one group."""
Body = Callable[..., Coroutine[Any, Any, None]]
"""What a command does, given the Invocation and its own options."""

_NO_RIGHT: Final = frozenset({401, 403})
_LIMITS: Final = frozenset({"QuotaExceeded", "DeploymentsDisabled"})
"""Refusals with status 403 that another key would get too."""

_SHARED: Final[Mapping[str, tuple[Any, Any]]] = {
    "group": (
        Annotated[
            str, typer.Option("--group", "-g", envvar="SLIPWAY_GROUP", help="Owner of the deployments.")
        ],
        DEFAULT_GROUP,
    ),
    "url": (Annotated[str | None, typer.Option("--url", help="URL of the API; also SLIPWAY_URL.")], None),
    "key": (Annotated[str | None, typer.Option("--key", help="Bearer key; also SLIPWAY_KEY.")], None),
    "state": (
        Annotated[
            Path | None,
            typer.Option("--state", help="State folder of a platform on this machine; also SLIPWAY_STATE."),
        ],
        None,
    ),
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Write JSON: one document, or one per line.")],
        False,
    ),
}
_OF_MUTATIONS: Final[Mapping[str, tuple[Any, Any]]] = {
    "no_wait": (
        Annotated[
            bool,
            typer.Option("--no-wait", help="Return once the command is accepted; default: at its end."),
        ],
        False,
    ),
    "dry_run": (
        Annotated[
            bool, typer.Option("--dry-run", help="Check everything and show the plan; change nothing.")
        ],
        False,
    ),
    "if_match": (
        Annotated[
            str | None,
            typer.Option(
                metavar="ETAG",
                help="Only if no command came since `show --json` said this etag; default: in any case.",
            ),
        ],
        None,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """The options that every command has, those of mutations, and what follows from them."""

    group: str = DEFAULT_GROUP
    url: str | None = None
    key: str | None = None
    state: Path | None = None
    as_json: bool = False
    no_wait: bool = False
    dry_run: bool = False
    if_match: str | None = None

    @cached_property
    def connection(self) -> Connection:
        """Where the API is; raises NotConnectedError."""
        return find_connection(url=self.url, key=self.key, state=self.state)

    @cached_property
    def terminal(self) -> "Terminal":
        """Where to write for people."""
        from slipway.terminal import Terminal

        return Terminal()

    def client(self) -> "Slipway":
        """Return a client of the group, to be used with `async with`."""
        connection = self.connection
        from slipway.client import Slipway

        return Slipway(connection.url, connection.key, group=self.group, tell=self.note)

    def document(self, document: Any) -> None:  # noqa: ANN401 - any JSON
        """Write one JSON document on one line."""
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def answer(self, document: Any, text: str) -> None:  # noqa: ANN401 - any JSON
        """Write what the API answered where JSON is wanted, else a line that says what is so now."""
        if self.as_json:
            self.document(document)
        else:
            self.terminal.say(text)

    def listing(
        self,
        found: "Sequence[Document]",
        columns: "Sequence[Column]",
        rows: "Sequence[Sequence[str]]",
        *,
        none: str,
    ) -> None:
        """Write what was found: one JSON document of all where that is wanted, else a table.

        Args:
            found: what the API answered.
            columns: those of the table.
            rows: what people read of it.
            none: what to tell people where nothing was found.
        """
        if self.as_json:
            self.document([each.as_json() for each in found])
        elif found:
            self.terminal.table(columns, rows)
        else:
            self.terminal.say(none)

    def note(self, text: str | None) -> None:
        """Write what the user should know to the error stream, whatever is wanted on the other."""
        if text is not None:
            self.terminal.warn(text, style="yellow")

    def advise(self, text: str) -> None:
        """Write a line for people; nothing where JSON is wanted."""
        if not self.as_json:
            self.terminal.say(text)

    def again(self, *words: str) -> str:
        """Return the command line that asks the same platform something else."""
        options: list[str] = []
        if self.group != DEFAULT_GROUP and words[0] not in _OF_NO_GROUP:
            options += ["--group", self.group]
        if self.url:
            options += ["--url", self.url]
        if self.state:
            options += ["--state", str(self.state)]
        return shlex.join(["slipway", *words, *options])


def add_commands(app: typer.Typer, reads: Mapping[str, Body], mutations: Mapping[str, Body]) -> None:
    """Add bodies as commands under these words."""
    for word, body in reads.items():
        app.command(word)(connected(body))
    for word, body in mutations.items():
        app.command(word)(mutating(body))


def mutating(body: Body) -> Callable[..., None]:
    """Make a command of a coroutine function that changes a deployment; see `connected`."""
    return connected(body, options={**_OF_MUTATIONS, **_SHARED})


def connected(body: Body, *, options: Mapping[str, tuple[Any, Any]] = _SHARED) -> Callable[..., None]:
    """Make a command of a coroutine function whose first argument is the Invocation.

    Typer reads options from a signature: the shared options are added to that of the body.
    """
    own = list(inspect.signature(body).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in options.items()
    ]

    def command(**values: Any) -> None:  # noqa: ANN401 - as Typer parsed them
        invocation = Invocation(**{name: values.pop(name) for name in options})
        _run(invocation, body(invocation, **values))

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own] + shared
    command.__name__, command.__doc__ = body.__name__, body.__doc__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command


def _run(invocation: Invocation, body: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(body)
    except SlipwayError as error:
        _report(invocation, error)
        raise typer.Exit(_exit_code(error)) from error
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our pipe has seen enough; Python would complain once more while flushing at exit.
        with suppress(OSError):
            sys.stdout.close()
        raise typer.Exit(0) from None


def _report(invocation: Invocation, error: SlipwayError) -> None:
    if invocation.as_json:
        known = error.problem.document if isinstance(error, ProblemError) else {}
        fallback = {
            "detail": error.message,
            "hint": error.hint,
            "reason": type(error).__name__.removesuffix("Error"),
        }
        invocation.document({"error": fallback | dict(known)})
        return
    message, hint = error.message, error.hint
    if isinstance(error, ProblemError):
        message = f"{message} ({error.reason})" if error.reason else message
        message = "\n  ".join((message, *error.fields))
        hint = hint_for(error.reason, error.problem.document, invocation.again) or hint
    invocation.terminal.warn(message, hint=hint)


def _exit_code(error: SlipwayError) -> int:
    match error:
        case InvalidInputError():
            return USAGE
        case UnreachableError() | NotConnectedError():
            return NOT_CONNECTED
        case ProblemError(status=status) if status in _NO_RIGHT and error.reason not in _LIMITS:
            return NOT_CONNECTED
        case _:
            return FAILED
