"""Which releases something names, what they need, and what must wait for what. Pure."""

from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.release import Strategy
from slipway_contracts.traffic import releases_of
from slipway_contracts.version import Version
from slipway_contracts.workload import Workload


def named(desired: Desired) -> frozenset[int]:
    """Return the releases that an alias, a pin or a move names; what is none of these goes."""
    if desired.wanted is not Wanted.RUNNING:
        return frozenset()
    moving = (releases_of((*move.shares, *move.before)) for move in desired.moves)
    return desired.routed.union(desired.pins, *moving)


def drains(release: DesiredRelease, names: frozenset[int]) -> bool:
    """Whether it only finishes what it has; one that a move names will serve again."""
    return release.state is ReleaseState.DRAINING and release.number not in names


def workloads_of(desired: Desired, release: DesiredRelease, version: Version) -> dict[str, Workload]:
    """Return the workload of each endpoint; an endpoint with a fixed port gets one replica."""
    return {
        endpoint.name: Workload.of(
            group=desired.group,
            deployment=desired.deployment,
            endpoint=endpoint,
            config=release.config,
            replicas=1 if endpoint.fixed_port else release.config.replicas,
        ).model_copy(update={"traceparent": release.traceparent})
        for endpoint in version.endpoints
    }


def replicas_needed(desired: Desired) -> dict[str, int]:
    """Return how many replicas of each workload the kept releases need; a draining one keeps, not serves."""
    names = named(desired)
    needs: dict[str, int] = {}
    for release in desired.releases:
        need = 0 if drains(release, names) else release.config.replicas
        for workload in release.workloads.values():
            needs[workload] = max(needs.get(workload, 0), need)
    return needs


def beside(desired: Desired, release: DesiredRelease) -> frozenset[int]:
    """Return the releases that run on beside this one: all that something names, but for those it replaces.

    Those are behind the aliases that move to it.
    """
    taken = _taken(desired, release)
    routes = (releases_of(each.shares) for each in desired.routes if each.alias not in taken)
    moves = (
        releases_of(each.shares if each.alias in taken else (*each.shares, *each.before))
        for each in desired.moves
        if each.alias not in taken or release.number in releases_of(each.shares)
    )
    return frozenset(desired.pins).union(*routes, *moves) - {release.number}


def displaced(desired: Desired, release: DesiredRelease) -> frozenset[int]:
    """Return the releases whose replicas make room for this one before it is ready: strategy `in-place`."""
    if release.config.strategy is not Strategy.IN_PLACE:
        return frozenset()
    taken = _taken(desired, release)
    routes = (releases_of(each.shares) for each in desired.routes if each.alias in taken)
    moves = (releases_of((*each.shares, *each.before)) for each in desired.moves if each.alias in taken)
    return frozenset[int]().union(*routes, *moves) - beside(desired, release) - {release.number}


def _taken(desired: Desired, release: DesiredRelease) -> frozenset[str]:
    return frozenset(move.alias for move in desired.moves if release.number in releases_of(move.shares))


def displaced_workloads(desired: Desired, release: DesiredRelease) -> frozenset[str]:
    """Return the workloads of the displaced releases that no other release needs."""
    gone = displaced(desired, release)
    names = named(desired)
    groups: dict[bool, set[str]] = {True: set(), False: set()}
    for each in desired.releases:
        if not drains(each, names):
            groups[each.number in gone].update(each.workloads.values())
    return frozenset(groups[True] - groups[False])
