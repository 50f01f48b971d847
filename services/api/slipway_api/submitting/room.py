"""The room of a target: what its replicas may ask for, and what is said where that is more than it has. Pure.

A target may let its replicas ask for more than it has, where few of them use all of their size at once.
"""

from collections.abc import Mapping
from typing import Final

from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.quota import Charge

DIGITS: Final = 6
ROUNDING: Final = 10.0**-DIGITS
_MEBIBYTE: Final = 1 << 20


def capacity(announced: TargetAnnounced) -> Mapping[str, float]:
    """Return how much of each resource a target has."""
    return {"cpu": announced.cpu, "memory_bytes": announced.memory_bytes, "gpu": announced.gpu}


def allocatable(announced: TargetAnnounced) -> Mapping[str, float]:
    """Return how much of each resource all replicas of a target may ask for."""
    cpu, memory = announced.allocatable_cpu, announced.allocatable_memory_bytes
    return {
        "cpu": announced.cpu if cpu is None else cpu,
        "memory_bytes": announced.memory_bytes if memory is None else memory,
        "gpu": announced.gpu,
    }


def beyond(announced: TargetAnnounced, before: Charge, after: Charge) -> tuple[str, ...]:
    """Say of which resource a command lets the replicas of a target ask for more than it has."""
    return tuple(
        f"Target {announced.target} has {said(has, resource)}; its replicas then ask for "
        f"{said(asked, resource)} together and share what there is."
        for resource, has in capacity(announced).items()
        if (asked := getattr(after, resource)) > max(has, getattr(before, resource)) + ROUNDING
    )


def overcommitted(announced: TargetAnnounced, used: Charge) -> tuple[str, ...]:
    """Say of which resource the replicas of a target ask for more than it has."""
    return tuple(
        f"Its replicas ask for {said(asked, resource)} together, and it has {said(has, resource)}: they "
        "share that, and are slow, or ended for want of memory, when they use all of their sizes at once."
        for resource, has in capacity(announced).items()
        if (asked := getattr(used, resource)) > has + ROUNDING
    )


def said(amount: float, resource: str) -> str:
    """Return an amount of a resource in words."""
    if resource == "memory_bytes":
        return f"{amount / _MEBIBYTE:.6g} MiB of memory"
    word = {"cpu": "core", "gpu": "GPU"}.get(resource, resource.removesuffix("s"))
    return f"{amount:g} {word}{'' if amount == 1 else 's'}"
