"""The platform alone on one machine: how long it takes to start, and what it needs while nothing happens.

Cold is an empty state folder; warm is a second `up` of the same. Memory is the sum of the proportional set
sizes of all its processes; CPU is what they used in a minute, in per cent of one core. Prints one JSON line.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from e2e.running_platform import RunningPlatform

SETTLE_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 60.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no Pss")


def start(platform: RunningPlatform) -> float:
    began = time.perf_counter()
    platform.up()
    return time.perf_counter() - began


def idle(platform: RunningPlatform) -> tuple[float, float]:
    """Return the MB and the per cent of a core that the idle platform needs."""
    time.sleep(SETTLE_SECONDS)
    pids = descendants(platform.pid("supervisord"))
    before, began = sum(cpu_seconds(pid) for pid in pids), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    used, passed = sum(cpu_seconds(pid) for pid in pids) - before, time.perf_counter() - began
    return sum(pss_mb(pid) for pid in pids), 100 * used / passed


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        cold = start(platform)
        platform.down()
        warm = start(platform)
        try:
            megabytes, per_cent = idle(platform)
        finally:
            platform.down()
    figures = {
        "bench": "standalone",
        "cold_s": round(cold, 2),
        "warm_s": round(warm, 2),
        "pss_mb": round(megabytes),
        "idle_cpu_pct": round(per_cent, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
