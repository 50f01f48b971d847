"""Writing and reading a replica's log."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slipway_engines.engine import START, LogLine
from slipway_engines.supervisor.launcher.replica_log import LONGEST_LINE, ReplicaLog, generations
from slipway_engines.supervisor.log_reader import LogReader, Place, tail


def read_all(folder: Path, place: Place | None = None) -> list[LogLine]:
    reader = LogReader(str(folder), place or Place.parse(START, run="a"))
    found: list[LogLine] = []
    while lines := reader.read():
        found += lines
    reader.close()
    return found


def test_lines_come_back_with_their_stream_and_time(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))

    log.write("stdout", b"one\r\ntw")
    log.write("stderr", "Zähler\n\n".encode())
    log.write("stdout", b"o\n")

    lines = read_all(tmp_path)
    assert [(line.stream, line.text) for line in lines] == [
        ("stdout", "one"),
        ("stderr", "Zähler"),
        ("stderr", ""),
        ("stdout", "two"),
    ]
    assert all(abs(line.at - datetime.now(UTC)) < timedelta(seconds=5) for line in lines)


def test_a_line_that_was_not_finished_is_kept_at_the_end(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    log.write("stdout", b"no newline")

    log.flush()

    assert [line.text for line in read_all(tmp_path)] == ["no newline"]


def test_a_line_without_an_end_is_cut_into_pieces(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    text = b"".join(b"%07d " % number for number in range(10_000))

    for start in range(0, len(text), 5000):
        log.write("stdout", text[start : start + 5000])
    log.write("stdout", b"\n" + text + b"\n")

    pieces = [line.text for line in read_all(tmp_path)]
    assert max(map(len, pieces)) == LONGEST_LINE
    assert "".join(pieces) == 2 * text.decode()


def test_a_line_of_a_megabyte_is_cut_between_characters_and_loses_nothing(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    text = ("x" + "ö€😀" * 120_000)[:400_000]

    encoded = text.encode() + b"\n"
    assert len(encoded) > 1 << 20
    for start in range(0, len(encoded), 65_536):
        log.write("stdout", encoded[start : start + 65_536])
    log.write("stderr", encoded)

    lines = read_all(tmp_path)
    for stream in ("stdout", "stderr"):
        assert "".join(line.text for line in lines if line.stream == stream) == text
    assert max(len(line.text.encode()) for line in lines) <= LONGEST_LINE


def test_bytes_that_are_no_text_come_back_as_marks_of_what_was_there(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))

    log.write("stdout", b"\xff\x00a\n" + b"\x80" * (LONGEST_LINE + 1) + b"\nend\n")

    first, *marks, last = [line.text for line in read_all(tmp_path)]
    assert (first, last) == ("\ufffd\x00a", "end")
    assert "".join(marks) == "\ufffd" * (LONGEST_LINE + 1)


def test_files_are_bounded_and_the_newest_lines_stay(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path), file_bytes=1000)

    for number in range(1000):
        log.write("stdout", b"line %d\n" % number)

    assert len(generations(str(tmp_path))) == 2
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    texts = [line.text for line in read_all(tmp_path)]
    assert texts == [f"line {number}" for number in range(1000 - len(texts), 1000)]


def test_a_reader_continues_where_a_line_says(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path), file_bytes=10_000)
    for number in range(300):
        log.write("stdout", b"line %d\n" % number)
    lines = read_all(tmp_path)

    rest = read_all(tmp_path, Place.parse(lines[-11].position, run="a"))

    assert [line.text for line in rest] == [line.text for line in lines[-10:]]


def test_a_position_in_another_start_of_the_replica_is_the_beginning(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    log.write("stdout", b"one\ntwo\n")
    position = read_all(tmp_path)[0].position

    assert [line.text for line in read_all(tmp_path, Place.parse(position, run="b"))] == ["one", "two"]


def test_an_open_reader_loses_nothing_of_the_file_it_reads_when_that_is_deleted(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path), file_bytes=1000)
    log.write("stdout", b"first\n")
    reader = LogReader(str(tmp_path), Place.parse(START, run="a"))
    seen = reader.read()
    for number in range(60):
        log.write("stdout", b"line %d\n" % number)

    while lines := reader.read():
        seen += lines
    reader.close()

    # Of the files in between some are gone; of the one that was open nothing is.
    assert [line.text for line in seen[:21]] == ["first", *(f"line {number}" for number in range(20))]
    assert seen[-1].text == "line 59"


def test_another_writer_continues_the_newest_file(tmp_path: Path) -> None:
    ReplicaLog(str(tmp_path)).write("stdout", b"before\n")

    ReplicaLog(str(tmp_path)).write("stdout", b"after\n")

    assert [line.text for line in read_all(tmp_path)] == ["before", "after"]


def test_a_full_disk_costs_lines_and_says_how_many(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    log.write("stdout", b"before\n")
    file, full = log._file, os.open("/dev/full", os.O_WRONLY)

    log._file = full
    log.write("stdout", b"lost\nlost\n")
    log._file = file
    log.write("stdout", b"after\n")
    os.close(full)

    texts = [(line.stream, line.text) for line in read_all(tmp_path)]
    assert texts == [
        ("stdout", "before"),
        ("slipway", "2 lines were lost: no space was left"),
        ("stdout", "after"),
    ]


def test_the_tail_is_short_and_ends_with_the_last_line(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path), file_bytes=20_000)
    for number in range(3000):
        log.write("stdout", b"line %d\n" % number)

    lines = tail(str(tmp_path))

    assert lines == tuple(f"line {number}" for number in range(2960, 3000))


def test_the_tail_of_long_lines_is_bounded(tmp_path: Path) -> None:
    log = ReplicaLog(str(tmp_path))
    for number in range(50):
        log.write("stdout", b"%d " % number + b"x" * 5000 + b"\n")

    lines = tail(str(tmp_path))

    assert sum(map(len, lines)) == 16 << 10
    assert lines[-1].startswith("49 ")


def test_the_tail_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert tail(str(tmp_path / "missing")) == ()
