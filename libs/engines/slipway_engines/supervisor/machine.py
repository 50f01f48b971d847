"""Says what this machine, or the container it is, has to give."""

import os
from pathlib import Path
from typing import Final

from slipway_engines.engine import Capacity

_CGROUP: Final = Path("/sys/fs/cgroup")


def capacity_of(*, replicas: int, cpu_overcommit: float = 1.0, memory_overcommit: float = 1.0) -> Capacity:
    """Return the capacity of this machine.

    Sizes are not enforced here: supervisord gives every replica what it takes. What may be asked for in all
    is therefore a multiple of what there is.

    Args:
        replicas: how many it holds.
        cpu_overcommit: how many cores may be asked for per core that it has.
        memory_overcommit: how many bytes may be asked for per byte that it has.
    """
    cpu, memory_bytes = _cpu(), _memory_bytes()
    return Capacity(
        cpu=cpu,
        memory_bytes=memory_bytes,
        gpu=_gpu(),
        replicas=replicas,
        allocatable_cpu=cpu * cpu_overcommit,
        allocatable_memory_bytes=int(memory_bytes * memory_overcommit),
    )


def _cpu() -> float:
    available = float(len(os.sched_getaffinity(0)))
    match _cgroup("cpu.max").split():
        case [quota, period] if quota.isdecimal():
            return min(available, int(quota) / int(period))
        case _:
            return available


def _memory_bytes() -> int:
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _cgroup("memory.max")
    return min(installed, int(limit)) if limit.isdecimal() else installed


def _gpu() -> int:
    return sum(
        1 for each in Path("/dev").glob("nvidia[0-9]*") if each.name.removeprefix("nvidia").isdecimal()
    )


def _cgroup(name: str) -> str:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
