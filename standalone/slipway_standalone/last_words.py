"""What a process said last, and how the supervisor saw it end."""

import os
from pathlib import Path
from typing import Final

LINES: Final = 12
_TAIL_BYTES: Final = 16384


def of(log: Path) -> list[str]:
    """The last lines of a log; none when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-LINES:]


def end_of(program: str, supervisor_log: Path) -> str:
    """` (exit status 1)` or the like, from supervisord's log; empty when it says nothing of it.

    supervisord's calls cannot tell: it forgets the exit code of a process that ends in its first second.
    """
    mark = f" exited: {program} ("
    for line in reversed(of(supervisor_log)):
        _, found, rest = line.partition(mark)
        if found:
            return f" ({rest.partition(';')[0]})"
    return ""
