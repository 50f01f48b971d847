"""What a test has started and not ended."""

import os
from pathlib import Path
from typing import Final

_SERVERS: Final = frozenset({"nats-server", "postgres"})


def children() -> list[str]:
    """Return the names of this process' children but for the servers that fixtures keep."""
    pids = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]
    return [name for name in names if name not in _SERVERS]
