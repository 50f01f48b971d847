"""How much memory a process and its children use, on Linux."""

from collections import defaultdict
from pathlib import Path


def proportional_bytes(pid: int) -> int | None:
    """Proportional set size of a process and all its descendants; None where it cannot be read."""
    try:
        return sum(_own_bytes(member) for member in _family(pid))
    except OSError:
        return None


def _own_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _family(pid: int) -> list[int]:
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(int(entry.name))) is not None:
            children[parent].append(int(entry.name))
    members = [pid]
    for member in members:
        members.extend(children[member])
    return members


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
