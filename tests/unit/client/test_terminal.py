import io
import os
import pty
from collections.abc import Iterator

import pytest
from slipway.progress import Mark, Step
from slipway.terminal import Column, Terminal

FAILURE = {
    "stage": "start",
    "reason": "ReplicaExited",
    "message": "The replica exited [red]three[/red] times.",
    "hint": "Read its log.",
    "exit_code": 1,
    "signal": None,
    "endpoint": "predict",
    "log_tail": ["Traceback", "ImportError: No module named 'x'"],
}
LONG = "a description that is much longer than any narrow terminal is wide " * 4


class Pipe:
    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.terminal = Terminal(out=self.out, err=self.err)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


class Screen:
    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self._stream = os.fdopen(slave, "w", encoding="utf-8")
        self.terminal = Terminal(out=self._stream, err=self._stream)

    def text(self) -> str:
        self._stream.flush()
        os.set_blocking(self._master, False)
        content = b""
        while True:
            try:
                content += os.read(self._master, 65536)
            except BlockingIOError:
                return content.decode()

    def close(self) -> None:
        self._stream.close()
        os.close(self._master)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    yield screen
    screen.close()


def test_a_pipe_gets_one_line_per_step_without_escape_sequences(pipe: Pipe) -> None:
    pipe.terminal.step(Step(part="build", text="dependencies", seconds=1.25, detail=LONG))
    pipe.terminal.step(Step(part="release 1", text="failed", detail="ReplicaExited", mark=Mark.FAILED))

    lines = pipe.out.getvalue().splitlines()

    assert len(lines) == 2
    assert lines[0].split() == ["✓", "build", "dependencies", "1.2", "s", *LONG.split()]
    assert "\x1b" not in pipe.out.getvalue()


def test_a_pipe_gets_whole_rows_without_trailing_blanks(pipe: Pipe) -> None:
    pipe.terminal.table([Column(title="NAME"), Column(title="TEXT")], [["digits", LONG], ["x", ""]])

    lines = pipe.out.getvalue().splitlines()

    assert lines[1] == f"digits  {LONG.rstrip()}"
    assert lines[2] == "x"


def test_a_failure_goes_to_the_error_stream_with_all_that_explains_it(pipe: Pipe) -> None:
    pipe.terminal.failure("digits release 2 failed", FAILURE)

    said = pipe.err.getvalue()

    assert pipe.out.getvalue() == ""
    assert said.splitlines() == [
        "digits release 2 failed: ReplicaExited (stage start)",
        "The replica exited [red]three[/red] times.",
        "endpoint: predict",
        "exit code: 1",
        "What to do: Read its log.",
        "last log lines:",
        "  | Traceback",
        "  | ImportError: No module named 'x'",
    ]


def test_a_narrow_terminal_gets_blocks_instead_of_a_broken_table(narrow: Screen) -> None:
    narrow.terminal.table([Column(title="NAME"), Column(title="TEXT")], [["digits", LONG]])

    lines = narrow.text().splitlines()

    assert "NAME" in lines[0]
    assert "digits" in lines[0]
    assert "TEXT" in lines[1]


def test_what_others_wrote_cannot_move_the_cursor_or_clear_the_screen(narrow: Screen) -> None:
    narrow.terminal.log_line("\x1b[31mred\x1b[0m \x1b[2J\x1bc\x1b]0;title\x07end")
    narrow.terminal.say("name\x1b[2J")

    said = narrow.text()

    assert "\x1b[31mred" in said
    for sequence in ("\x1b[2J", "\x1bc", "\x1b]0", "\x07"):
        assert sequence not in said


def test_colours_of_a_log_line_do_not_reach_a_pipe(pipe: Pipe) -> None:
    pipe.terminal.log_line("\x1b[31mred\x1b[0m [bold]x", prefix="12:00 ")

    assert pipe.out.getvalue() == "12:00 red [bold]x\n"


def test_a_stream_that_knows_ascii_only_gets_words_for_marks() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")

    Terminal(out=out, err=out).step(Step(part="build", text="code", seconds=0.1))
    out.flush()
    out.seek(0)

    assert out.read().startswith("ok build")


def test_waiting_leaves_no_trace_on_a_pipe(pipe: Pipe) -> None:
    with pipe.terminal.waiting() as waiting:
        waiting.show("release 1: waits for 2 replicas")

    assert pipe.out.getvalue() == ""


def test_waiting_shows_what_and_how_long_on_a_terminal(narrow: Screen) -> None:
    with narrow.terminal.waiting() as waiting:
        waiting.show("release 1: waits for 2 replicas")

    assert "release 1: waits for 2 replicas" in narrow.text()


COLUMNS = [
    Column(title="NAME"),
    Column(title="BY", leaves=2),
    Column(title="CREATED", leaves=1),
    Column(title="WHY", wraps=True),
]
ROW = ["digits", "somebody-else", "2026-11-22T06:00:00Z", "it has several words " * 4]


def test_a_narrow_terminal_leaves_columns_out_and_names_them(narrow: Screen) -> None:
    narrow.terminal.table(COLUMNS[:3], [ROW[:3]])

    lines = narrow.text().splitlines()

    assert "CREATED" in lines[0]
    assert "BY" not in lines[0]
    assert "2026-11-22T06:00:00Z" in lines[1]
    assert "somebody-else" not in lines[1]
    assert "No room for BY: widen the terminal" in lines[2]


def test_sentences_wrap_in_their_column_without_loss(narrow: Screen) -> None:
    narrow.terminal.table(COLUMNS, [ROW])

    said = narrow.text()

    assert said.count("several") == 4
    assert "NAME" in said.splitlines()[0]
    assert "WHY" in said.splitlines()[0]


def test_what_never_leaves_and_has_no_room_is_shown_whole_in_blocks(narrow: Screen) -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    narrow.terminal.table([Column(title="ID"), Column(title="BY", leaves=1)], [[digest, "admin"]])

    said = "".join(narrow.text().split())

    assert digest in said
    assert "admin" in said


def test_a_pipe_gets_every_column_and_every_sentence_on_its_line(pipe: Pipe) -> None:
    pipe.terminal.table(COLUMNS, [ROW])

    lines = pipe.out.getvalue().splitlines()

    assert len(lines) == 2
    assert lines[1].split() == " ".join(ROW).split()
    assert pipe.err.getvalue() == ""


def test_a_warning_while_something_is_drawn_gets_a_line_of_its_own(narrow: Screen) -> None:
    with narrow.terminal.waiting() as waiting:
        waiting.show("release 1")
        narrow.terminal.warn("gone")

    assert any(line.endswith("gone") or "gone\x1b" in line for line in narrow.text().splitlines())
