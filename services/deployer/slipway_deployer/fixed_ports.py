"""Which deployments hold the fixed ports of targets: on one machine, a port has one holder.

Kept from the desired records that this process has followed, so that it may be a moment behind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import ReleaseState

_TO_COME: Final = frozenset({ReleaseState.PENDING, ReleaseState.STARTING})

Port = tuple[str, int]
"""A target, and a port there."""


@dataclass(frozen=True, order=True)
class Claim:
    """A deployment that wants a port; of several the smallest has it: who serves, then who came first."""

    is_starting: bool
    since: datetime
    group: str
    deployment: str


def claims_of(desired: Desired) -> Mapping[Port, Claim]:
    """Return the fixed ports that a deployment wants."""
    claims: dict[Port, Claim] = {}
    for each in desired.workloads:
        port, users = each.workload.fixed_port, _users(desired, each.workload.id)
        if port is None or not users:
            continue
        claims[each.workload.target, port] = Claim(
            is_starting=all(state in _TO_COME for state, _ in users),
            since=min(created_at for _, created_at in users),
            group=desired.group,
            deployment=desired.deployment,
        )
    return claims


def _users(desired: Desired, workload: str) -> list[tuple[ReleaseState, datetime]]:
    return [(each.state, each.created_at) for each in desired.releases if workload in each.workloads.values()]


class FixedPorts:
    """The claims of all deployments."""

    def __init__(self) -> None:
        self._claims: dict[Port, dict[tuple[str, str], Claim]] = {}
        self._ports: dict[tuple[str, str], tuple[Port, ...]] = {}

    def note(self, desired: Desired) -> None:
        """Take the newest record of a deployment."""
        key = (desired.group, desired.deployment)
        for port in self._ports.pop(key, ()):
            self._claims[port].pop(key)
        claims = claims_of(desired)
        for port, claim in claims.items():
            self._claims.setdefault(port, {})[key] = claim
        if claims:
            self._ports[key] = tuple(claims)

    def held_by_others(self, key: tuple[str, str], ports: Iterable[Port]) -> Mapping[Port, Claim]:
        """Return who else has, or will have, these ports."""
        others = {
            port: [claim for owner, claim in self._claims.get(port, {}).items() if owner != key]
            for port in ports
        }
        return {port: min(claims) for port, claims in others.items() if claims}
