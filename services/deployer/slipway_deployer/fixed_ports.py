"""Which deployments hold the fixed ports of targets: on one machine, a port has one holder.

Kept from the desired records that this process has followed or read. Those that it follows may be a moment
behind: before somebody fails for a port, the record of its holder is read anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.lifecycle import ReleaseState

_TO_COME: Final = frozenset({ReleaseState.PENDING, ReleaseState.STARTING})
_SERVING: Final = frozenset({ReleaseState.READY, ReleaseState.LIVE})

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
    """Return the fixed ports that a deployment wants; what drains gives its ports back by itself.

    A deployment that serves at a port keeps it while a newer release of it starts there.
    """
    claims: dict[Port, Claim] = {}
    for each in desired.workloads:
        port = each.workload.fixed_port
        if port is None:
            continue
        users = [
            release
            for release in desired.releases
            if release.state is not ReleaseState.DRAINING
            and (each.workload.id in release.workloads.values() or _serves_at(release, port))
        ]
        if users:
            claims[each.workload.target, port] = Claim(
                is_starting=all(release.state in _TO_COME for release in users),
                since=min(release.created_at for release in users),
                group=desired.group,
                deployment=desired.deployment,
            )
    return claims


def _serves_at(release: DesiredRelease, port: int) -> bool:
    endpoints = release.version.endpoints if release.version is not None else ()
    return release.state in _SERVING and any(each.fixed_port == port for each in endpoints)


class FixedPorts:
    """The claims of all deployments."""

    def __init__(self) -> None:
        self._claims: dict[Port, dict[tuple[str, str], Claim]] = {}
        self._ports: dict[tuple[str, str], tuple[Port, ...]] = {}
        self._noted: dict[tuple[str, str], int] = {}

    def note(self, desired: Desired, sequence: int) -> bool:
        """Take a record of a deployment; False where it is no newer than what was noted before."""
        key = (desired.group, desired.deployment)
        if sequence <= self._noted.get(key, 0):
            return False
        self._noted[key] = sequence
        for port in self._ports.pop(key, ()):
            self._claims[port].pop(key)
        claims = claims_of(desired)
        for port, claim in claims.items():
            self._claims.setdefault(port, {})[key] = claim
        if claims:
            self._ports[key] = tuple(claims)
        return True

    def forget(self, key: tuple[str, str], sequence: int) -> None:
        """Forget a deployment that claims nothing, unless a record behind this sequence was noted."""
        if key not in self._ports and self._noted.get(key, 0) <= sequence:
            self._noted.pop(key, None)

    def held_by_others(self, key: tuple[str, str], ports: Iterable[Port]) -> Mapping[Port, Claim]:
        """Return who else has, or will have, these ports."""
        others = {
            port: [claim for owner, claim in self._claims.get(port, {}).items() if owner != key]
            for port in ports
        }
        return {port: min(claims) for port, claims in others.items() if claims}
