"""How much memory a process and its children use, on Linux."""

from collections import defaultdict
from pathlib import Path


def family_bytes(pid: int) -> int | None:
    """Proportional set size of a process and all its descendants; None where it cannot be read."""
    sizes = [own_bytes(member) for member in _family(pid)]
    return sum(size or 0 for size in sizes) if sizes[0] is not None else None


def own_bytes(pid: int) -> int | None:
    """Proportional set size of one process; None where it cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def _family(pid: int) -> list[int]:
    children = defaultdict(list)
    proc = Path("/proc")
    for entry in proc.iterdir() if proc.is_dir() else ():
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
