"""Writes what a replica prints into numbered, size-bounded files, line by line.

Each line is `<RFC 3339 time> <stream> <text>`. A full disk costs lines, never the replica.
"""

import os

from slipway_engines.supervisor.launcher.replica_record import now

FILE_BYTES = 5 << 20
KEPT_FILES = 2
LONGEST_LINE = 16 << 10
SUFFIX = ".log"
_CONTINUING = 0x80
"""The first two bits of each byte of a character of UTF-8 but its first."""


def generations(folder: str) -> list[int]:
    """Return the numbers of the log files in a folder, oldest first."""
    names = (name.removesuffix(SUFFIX) for name in os.listdir(folder) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdecimal())


def file_of(folder: str, generation: int) -> str:
    """Return the path of one log file."""
    return os.path.join(folder, f"{generation}{SUFFIX}")


class ReplicaLog:
    """The log of one replica; continues the newest file of its folder."""

    def __init__(self, folder: str, *, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._rest: dict[str, bytes] = {}
        self._lost = 0
        self._torn = False
        existing = generations(folder)
        self._generation = existing[-1] if existing else 0
        self._file = self._open(self._generation)
        self._size = os.fstat(self._file).st_size

    def write(self, stream: str, data: bytes) -> None:
        """Take what came from a stream; the last line is kept back until it is complete or too long."""
        *lines, rest = (self._rest.get(stream, b"") + data).split(b"\n")
        while len(rest) > LONGEST_LINE:
            end = _end_of_piece(rest)
            lines.append(rest[:end])
            rest = rest[end:]
        self._rest[stream] = rest
        self._append(stream, lines)

    def note(self, text: str) -> None:
        """Add a remark of the engine's own."""
        self._append("slipway", [text.encode()])

    def flush(self) -> None:
        """Write the lines that were never completed."""
        rests, self._rest = self._rest, {}
        for stream, rest in rests.items():
            if rest:
                self._append(stream, [rest])

    def _append(self, stream: str, lines: list[bytes]) -> None:
        prefix = f"{now()} {stream} ".encode()
        pieces = [piece for line in lines for piece in _cut(line)]
        if not pieces:
            return
        data = b"".join(prefix + piece + b"\n" for piece in pieces)
        try:
            self._rotate(len(data))
            self._put(self._apology() + data)
        except OSError:
            self._lost += len(pieces)
        else:
            self._lost = 0

    def _apology(self) -> bytes:
        ending = b"\n" if self._torn else b""
        if not self._lost:
            return ending
        return ending + f"{now()} slipway {self._lost} lines were lost: no space was left\n".encode()

    def _put(self, data: bytes) -> None:
        while data:
            written = os.write(self._file, data)
            self._size += written
            self._torn = written < len(data)
            data = data[written:]

    def _rotate(self, coming: int) -> None:
        if self._size == 0 or self._size + coming <= self._file_bytes:
            return
        file = self._open(self._generation + 1)
        os.close(self._file)
        self._file, self._size, self._torn = file, 0, False
        self._generation += 1
        for generation in generations(self._folder)[:-KEPT_FILES]:
            os.unlink(file_of(self._folder, generation))

    def _open(self, generation: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(file_of(self._folder, generation), flags, 0o600)


def _cut(line: bytes) -> list[bytes]:
    pieces, rest = [], line.removesuffix(b"\r")
    while len(rest) > LONGEST_LINE:
        end = _end_of_piece(rest)
        pieces.append(rest[:end])
        rest = rest[end:]
    return [*pieces, rest]


def _end_of_piece(line: bytes) -> int:
    """Return where a line that is too long is cut: not within a character, if it is UTF-8."""
    for end in range(LONGEST_LINE, LONGEST_LINE - 4, -1):
        if line[end] & 0xC0 != _CONTINUING:
            return end
    return LONGEST_LINE
