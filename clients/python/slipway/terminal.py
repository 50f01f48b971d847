"""Writes for people: steps, tables, failures. On a pipe it writes plain lines, neither cut nor wrapped."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from slipway.progress import Mark, Step, spoken

_UNBOUNDED: Final = 100_000
_LEAST_WRAPPED: Final = 24
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")
_STYLES: Final[Mapping[str, str]] = {
    "DEPLOYED": "green",
    "LIVE": "green",
    "watched": "green",
    "lost": "red",
    "SUCCEEDED": "green",
    "DEPLOYING": "yellow",
    "DEGRADED": "yellow",
    "STOPPING": "yellow",
    "DELETING": "yellow",
    "PURGING": "yellow",
    "UNKNOWN": "yellow",
    "UNAVAILABLE": "red",
    "FAILED": "red",
}
_MARKS: Final[Mapping[Mark, tuple[str, str, str]]] = {
    Mark.DONE: ("✓", "ok", "green"),
    Mark.NOTE: ("·", "--", "yellow"),
    Mark.FAILED: ("✗", "!!", "red"),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        right: its cells stand at its right side.
        wraps: its cells may take several lines.
        leaves: where the terminal is too narrow, the columns with the highest number are left out first, and
            those with 0 never.
    """

    title: str
    right: bool = False
    wraps: bool = False
    leaves: int = 0


class Terminal:
    """Two streams: `out` for what was asked, `err` for what went wrong."""

    def __init__(self, *, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = _console(out or sys.stdout)
        self._err = _console(err or sys.stderr)
        self._is_drawing = False

    def say(self, text: str, *, style: str = "") -> None:
        """Write a line."""
        self._out.print(_text(text, style))

    def warn(self, text: str, *, hint: str = "", style: str = "red") -> None:
        """Write a line and what to do next to the error stream."""
        # What is drawn at the cursor stays whole only if lines pass through what draws it.
        console = self._out if self._is_drawing and self._err.is_terminal else self._err
        console.print(_text(text, style))
        if hint:
            console.print(_text(hint))

    def log_line(self, line: str, prefix: str = "") -> None:
        """Write a line of somebody else's log: of its escape sequences, colours alone survive."""
        self._out.print(Text.assemble(_text(prefix, "dim"), Text.from_ansi(_coloured(line))))

    def step(self, step: Step) -> None:
        """Write a finished step with its time."""
        glyph, word, style = _MARKS[step.mark]
        mark = glyph if self._out.encoding.lower().startswith("utf") else word
        seconds = "" if step.seconds is None else spoken(step.seconds)
        told = "red" if step.mark is Mark.FAILED else ""
        line = Text.assemble(
            _text(f"{mark} ", style),
            _text(f"{step.part:<10} ", "dim"),
            _text(f"{step.text:<22} {seconds:>10}", told),
            _text(f"  {step.detail}", "dim"),
        )
        line.rstrip()
        self._out.print(line)

    @contextmanager
    def waiting(self) -> "Iterator[Waiting]":
        """Show what is waited for and since when, on a terminal only."""
        shown = Waiting()
        if not self._out.is_terminal or self._out.is_dumb_terminal:
            yield shown
            return
        with self._out.status(shown, refresh_per_second=8):
            self._is_drawing = True
            try:
                yield shown
            finally:
                self._is_drawing = False

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Write a table, and which columns a narrow terminal has no room for; nothing in a cell is cut.

        Where even the columns that never leave have no room, each row becomes a block with all of them.
        """
        kept, left_out = list(range(len(columns))), []
        while not self._has_room([columns[each] for each in kept], _chosen(rows, kept)):
            first = max(kept, key=lambda each: columns[each].leaves)
            if not columns[first].leaves:
                self._blocks(columns, rows)
                return
            kept.remove(first)
            left_out.append(columns[first].title)
        with self._out.capture() as capture:
            self._out.print(_table([columns[each] for each in kept], _chosen(rows, kept)))
        self._out.file.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
        if left_out:
            self.warn(f"No room for {', '.join(left_out)}: widen the terminal, or say --json.", style="dim")

    def _has_room(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bool:
        table = _table(columns, rows, widest=_LEAST_WRAPPED)
        needed = Measurement.get(self._out, self._out.options.update(max_width=_UNBOUNDED), table).maximum
        return needed <= self._out.width

    def _blocks(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        width = max(len(column.title) for column in columns)
        for row in rows:
            self.fields(
                [(column.title, cell) for column, cell in zip(columns, row, strict=True)], width=width
            )
            self._out.print()

    def fields(self, fields: Sequence[tuple[str, str]], *, width: int = 0) -> None:
        """Write names and values, one per line; an empty value is left out."""
        width = width or max((len(name) for name, value in fields if value), default=0)
        for name, value in fields:
            if value:
                cells = (_text(f"{name:<{width}}  ", "dim"), _text(value, _STYLES.get(value, "")))
                self._out.print(Text.assemble(*cells))

    def failure(self, title: str, failure: Mapping[str, Any]) -> None:
        """Write a failure record to the error stream."""
        body = _failure_body(failure)
        heading = f"{title}: {failure.get('reason', 'failed')} (stage {failure.get('stage', 'unknown')})"
        if not self._err.is_terminal or self._err.is_dumb_terminal:
            self._err.print(Text.assemble(_text(heading), "\n", body))
            return

        self._err.print(Panel(body, title=_text(heading, "bold red"), title_align="left", border_style="red"))


class Waiting:
    """A line that says what is waited for, with the seconds since it began; drawn anew while it is shown."""

    def __init__(self) -> None:
        self._since = datetime.now().astimezone()
        self._what = ""

    def show(self, what: str) -> None:
        """Replace what is shown; the clock starts anew if it is something else."""
        if what != self._what:
            self._since, self._what = datetime.now().astimezone(), what

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        seconds = (datetime.now().astimezone() - self._since).total_seconds()
        line = _text(f"{self._what}  {seconds:.1f} s", "dim")
        line.truncate(max(options.max_width, 1))
        yield line


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would exit with 1 here; whoever runs the command decides.
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:

    console = _Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def _text(text: str, style: str = "") -> Text:
    return Text(_printable(text), style=style)


def _printable(text: str) -> str:
    # Names, messages and log tails come from others: an escape sequence in one must not reach the terminal.
    return _CONTROLS.sub("�", text)


def _coloured(text: str) -> str:
    return "".join(part if _COLOUR.fullmatch(part) else _printable(part) for part in _COLOUR.split(text))


def _chosen(rows: Sequence[Sequence[str]], places: Sequence[int]) -> Sequence[Sequence[str]]:
    return [[row[each] for each in places] for row in rows]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, widest: int | None = None) -> Table:
    """Return a table; `widest`: characters of a column that wraps."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
            max_width=widest if column.wraps else None,
        )
    for row in rows:
        table.add_row(*(_text(cell, _STYLES.get(cell, "")) for cell in row))
    return table


def _failure_body(failure: Mapping[str, Any]) -> Text:
    parts = [_text(str(failure.get("message", "")))]
    for name in ("endpoint", "replica", "exit_code", "signal"):
        if failure.get(name) is not None:
            parts += [_text(f"\n{name.replace('_', ' ')}: ", "dim"), _text(str(failure[name]))]
    if hint := failure.get("hint"):
        parts += [_text("\nWhat to do: ", "bold"), _text(hint)]
    if tail := failure.get("log_tail"):
        parts.append(_text("\nlast log lines:", "dim"))
        for line in tail:
            parts += [_text("\n  | ", "dim"), _text(line)]
    return Text.assemble(*parts)
