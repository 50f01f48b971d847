"""The last lines of a log that a reader gets, bounded by their number and by their bytes."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

LARGEST_TAIL_BYTES: Final = 8 << 20
_SLICE_BYTES: Final = 64 << 10


class Tail:
    """Keeps the last of the lines that it is given.

    Args:
        most: most lines.
        size: most bytes of them all.
    """

    def __init__(self, *, most: int, size: int = LARGEST_TAIL_BYTES) -> None:
        self._most = most
        self._size = size
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._seen = 0

    def add(self, line: bytes) -> None:
        """Take a line; the oldest go as far as there is no room."""
        self._seen += 1
        self._kept.append(line)
        self._bytes += len(line)
        while len(self._kept) > self._most or self._bytes > self._size:
            self._bytes -= len(self._kept.popleft())

    @property
    def lines(self) -> Iterable[bytes]:
        """The lines that are kept, in their order."""
        return self._kept

    @property
    def oldest(self) -> bytes | None:
        """The first of the lines that are kept."""
        return self._kept[0] if self._kept else None

    @property
    def cut(self) -> bool:
        """Whether fewer lines are kept than there are and were wished, for the sake of their bytes."""
        return len(self._kept) < min(self._seen, self._most)

    @property
    def full(self) -> bool:
        """Whether earlier lines than those that came would change nothing."""
        return self._seen >= self._most or self.cut


def slices(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Return lines in lists of a bounded size, so that no answer is made in one piece."""
    found, size = list[bytes](), 0
    for line in lines:
        found.append(line)
        size += len(line)
        if size >= _SLICE_BYTES:
            yield found
            found, size = [], 0
    if found:
        yield found
