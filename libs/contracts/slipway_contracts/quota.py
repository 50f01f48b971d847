"""What deployments hold of a group's quota and of a target's room. Pure."""

from collections.abc import Callable, Iterable, Mapping
from operator import add
from typing import Final, Self

from pydantic import Field

from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.frozen import Frozen
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState, Wanted
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import Size
from slipway_contracts.version import Version

HELD: Final = UNFINISHED_RELEASES | {ReleaseState.LIVE}
"""States in which a release is charged."""


class Charge(Frozen):
    """An amount of each resource; also what is left of one."""

    deployments: int = 0
    replicas: int = 0
    cpu: float = Field(default=0.0, description="Cores.")
    memory_bytes: int = 0
    gpu: int = 0

    def plus(self, other: Self) -> Self:
        """Return the sum of each resource."""
        return self._combined(add, other)

    def at_least(self, other: Self) -> Self:
        """Return the larger of each resource."""
        return self._combined(max, other)

    def _combined(self, combine: Callable[[float, float], float], other: Self) -> Self:
        more = other.__dict__
        return self.model_copy(
            update={name: combine(amount, more[name]) for name, amount in self.__dict__.items()}
        )


def held(desired: Desired | None, *, deployments: int = 1) -> Charge:
    """Return what a deployment holds: all that it keeps, and what a release on its way will add beyond.

    A release on its way is charged in the place of the one whose alias it takes, as far as it is larger;
    replicas that run beside each other only for the change, or that drain, are not charged.
    """
    if desired is None:
        return Charge(deployments=deployments)
    if desired.wanted is not Wanted.RUNNING:
        replicas = [replicas_of(each.workload.size, len(each.workload.slots)) for each in desired.workloads]
        return total(replicas).plus(Charge(deployments=deployments))
    before = _together(each for each in desired.releases if each.state is ReleaseState.LIVE)
    after = _together(
        each for each in desired.releases if each.state in HELD and each.number in desired.kept_after_moves
    )
    return before.at_least(after).plus(Charge(deployments=deployments))


def _together(releases: Iterable[DesiredRelease]) -> Charge:
    needs: dict[str, Charge] = {}
    for release in releases:
        merge(needs, needs_of(release.config, release.version, release.workloads, str(release.number)))
    return total(needs.values())


def merge(needs: dict[str, Charge], more: Mapping[str, Charge]) -> None:
    """Add what releases need by workload; those that share one need it once, the larger."""
    for workload, charge in more.items():
        needs[workload] = needs[workload].at_least(charge) if workload in needs else charge


def needs_of(
    config: ReleaseConfig,
    version: Version | None,
    workloads: Mapping[str, str] | None = None,
    unnamed: str = "",
) -> dict[str, Charge]:
    """Return what one release needs, by the id of the workload where that is known."""
    if version is None:
        return {unnamed: replicas_of(config.size, config.replicas)}
    names = workloads or {}
    return {
        names.get(endpoint.name, f"{unnamed}/{endpoint.name}"): replicas_of(
            config.size, 1 if endpoint.fixed_port else config.replicas
        )
        for endpoint in version.endpoints
    }


def replicas_of(size: Size, count: int) -> Charge:
    """Return what this many replicas hold."""
    return Charge(
        replicas=count, cpu=size.cpu * count, memory_bytes=size.memory_bytes * count, gpu=size.gpu * count
    )


def total(charges: Iterable[Charge]) -> Charge:
    """Return the sum."""
    together = Charge()
    for charge in charges:
        together = together.plus(charge)
    return together
