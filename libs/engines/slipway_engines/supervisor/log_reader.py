"""Reads what a launcher writes into a replica's log, over the boundaries of its files."""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Final, Self

from slipway_engines.engine import LogLine, Position
from slipway_engines.supervisor.launcher.replica_log import file_of, generations

_CHUNK: Final = 1 << 18
_TAIL_BYTES: Final = 1 << 16
_FIELDS: Final = 3
TAIL_LINES: Final = 40
TAIL_TEXT_BYTES: Final = 16 << 10


@dataclass(frozen=True)
class Place:
    """A position, taken apart: which start of the replica, which file of it, which byte."""

    run: str
    generation: int = 0
    offset: int = 0

    @classmethod
    def parse(cls, position: Position, *, run: str) -> Self:
        """Return the place; one in another start of the replica is the beginning of this start."""
        match position.split(":"):
            case [of, generation, offset] if of == run and generation.isdecimal() and offset.isdecimal():
                return cls(run, int(generation), int(offset))
            case _:
                return cls(run)

    def position(self) -> Position:
        """Return it as callers see it."""
        return Position(f"{self.run}:{self.generation}:{self.offset}")


class LogReader:
    """Reads one replica's log from a place on; keeps its file open, so that rotation loses nothing unread."""

    def __init__(self, folder: str, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._file: IO[bytes] | None = None

    def read(self) -> list[LogLine]:
        """Return some of the complete lines that follow; none when there are none yet."""
        while True:
            # Asked before reading: what comes into a file comes before the next file is made.
            following = [each for each in self._generations() if each > self._place.generation]
            file = self._open()
            data = self._read(file) if file is not None else b""
            if data or not following:
                return list(self._lines(data))
            self._move(following[0])

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _generations(self) -> list[int]:
        try:
            return generations(self._folder)
        except FileNotFoundError:
            return []

    def _open(self) -> IO[bytes] | None:
        if self._file is None:
            try:
                self._file = open(file_of(self._folder, self._place.generation), "rb")  # noqa: SIM115, PTH123
            except FileNotFoundError:
                return None
        return self._file

    def _read(self, file: IO[bytes]) -> bytes:
        file.seek(self._place.offset)
        data = file.read(_CHUNK)
        return data[: data.rfind(b"\n") + 1]

    def _move(self, generation: int) -> None:
        self.close()
        self._place = Place(self._place.run, generation)

    def _lines(self, data: bytes) -> Iterator[LogLine]:
        at = datetime.now(UTC)
        for line in (each + b"\n" for each in data.split(b"\n")[:-1]):
            self._place = Place(self._place.run, self._place.generation, self._place.offset + len(line))
            at, stream, text = _parse(line[:-1], at)
            yield LogLine(at=at, stream=stream, text=text, position=self._place.position())


def _parse(line: bytes, before: datetime) -> tuple[datetime, str, str]:
    """Take a line apart; one that a full disk tore keeps its text and gets the time of its neighbour."""
    fields = line.split(b" ", _FIELDS - 1)
    try:
        at = datetime.fromisoformat(fields[0].decode())
    except ValueError:
        return before, "slipway", line.decode(errors="replace")
    stream = fields[1].decode() if len(fields) > 1 else "slipway"
    return at, stream, fields[2].decode(errors="replace") if len(fields) == _FIELDS else ""


def tail(folder: str) -> tuple[str, ...]:
    """Return the texts of the last lines, at most 40 and 16 KiB in all; as much as can be read."""
    lines: deque[str] = deque(maxlen=TAIL_LINES)
    try:
        for generation in generations(folder):
            lines.extend(_last_lines(file_of(folder, generation)))
    except OSError:
        return tuple(lines)
    kept: list[str] = []
    room = TAIL_TEXT_BYTES
    for line in reversed(lines):
        room -= len(line)
        if room < 0:
            kept.append(line[: room + len(line)])
            break
        kept.append(line)
    return tuple(reversed(kept))


def _last_lines(path: str) -> list[str]:
    with open(path, "rb") as file:  # noqa: PTH123
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().split(b"\n")[:-1]
    if size > _TAIL_BYTES:
        del lines[:1]
    return [_parse(line, datetime.now(UTC))[2] for line in lines]
