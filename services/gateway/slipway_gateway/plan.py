"""From what is known about a deployment to its routes and clusters, as a pure function."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from slipway_contracts.access import AccessMode
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.traffic import FULL_WEIGHT, LIVE_ALIAS

from slipway_gateway.known_deployment import KnownDeployment, KnownEndpoint, KnownWorkload
from slipway_gateway.model import Cluster, Forward, Keys, Passwords, Place, Refuse, Section
from slipway_gateway.problem import (
    ACCESS_NOT_APPLIED,
    DEPLOYMENT_STOPPED,
    ENDPOINT_KEYS_UNCHECKABLE,
    ENDPOINT_UNKNOWN,
    NO_READY_REPLICA,
    Problem,
)

_Weights = Mapping[int, int]
_Clusters = Mapping[str, Cluster]


def section(
    deployment: KnownDeployment,
    ready: Mapping[tuple[str, str], str],
    names: Iterable[str],
    *,
    moment: datetime,
    checks_keys: bool = False,
) -> Section:
    """Return what the gateway should do for one deployment.

    Args:
        deployment: as its desired record says.
        ready: address by (workload, replica).
        names: under which it is called.
        moment: now; keys that ended before open nothing.
        checks_keys: whether there is a key set by which an endpoint's keys can be checked.
    """
    clusters = {each.id: found for each in deployment.workloads if (found := _cluster(each, ready))}
    guard = guard_at(deployment, moment)
    places = tuple(_place(deployment, name, clusters, guard, checks_keys=checks_keys) for name in names)
    forwards = (route for place in places for route in place.routes if isinstance(route, Forward))
    routed = {name for route in forwards for name, _ in route.clusters}
    current = {workload: each.name for workload, each in clusters.items() if each.name in routed}
    return Section(
        places=places,
        clusters=tuple(sorted(clusters.values(), key=lambda cluster: cluster.name)),
        draining=tuple(each.id for each in deployment.workloads if each.id not in current),
        leaving=tuple(
            (each.id, replica, current.get(each.id))
            for each in deployment.workloads
            for replica in each.leaving
        ),
    )


def closed(deployment: KnownDeployment, names: Iterable[str]) -> tuple[Place, ...]:
    """Return places that hand on no request, for as long as what should guard them is not applied."""
    stopped = deployment.wanted is Wanted.STOPPED
    problem = DEPLOYMENT_STOPPED if stopped else ACCESS_NOT_APPLIED
    return tuple(_refusing(deployment, name, problem) for name in names)


def guard_at(deployment: KnownDeployment, moment: datetime) -> Passwords | Keys | None:
    """Return what a request has to show; None where everyone may call."""
    access = deployment.access
    match access.mode:
        case AccessMode.OPEN:
            return None
        case AccessMode.BASIC:
            return Passwords(digests=access.users)
        case AccessMode.KEYS:
            audience = f"{deployment.group}/{deployment.deployment}"
            return Keys(audience=audience, ids=access.keys_at(moment))


def _cluster(workload: KnownWorkload, ready: Mapping[tuple[str, str], str]) -> Cluster | None:
    addresses = {
        ready[workload.id, replica] for replica in workload.serving if (workload.id, replica) in ready
    }
    if not addresses:
        return None
    return Cluster(name=f"{workload.id}-{len(workload.serving)}", addresses=tuple(sorted(addresses)))


def _place(
    deployment: KnownDeployment,
    name: str,
    clusters: _Clusters,
    guard: Passwords | Keys | None,
    *,
    checks_keys: bool,
) -> Place:
    prefix = f"/{deployment.group}/{name}"
    match deployment.wanted:
        case Wanted.DELETED | Wanted.PURGED:
            return Place(prefix=prefix, routes=())
        case Wanted.STOPPED:
            return _refusing(deployment, name, DEPLOYMENT_STOPPED)
        case Wanted.RUNNING if isinstance(guard, Keys) and not checks_keys:
            return _refusing(deployment, name, ENDPOINT_KEYS_UNCHECKABLE)
        case Wanted.RUNNING:
            return Place(prefix=prefix, routes=tuple(_routes(deployment, prefix, clusters)), guard=guard)


def _refusing(deployment: KnownDeployment, name: str, problem: Problem) -> Place:
    prefix = f"/{deployment.group}/{name}"
    refuse = Refuse(prefix=prefix, problem=problem, members=_owner(deployment))
    return Place(prefix=prefix, routes=(refuse,))


def _owner(deployment: KnownDeployment) -> dict[str, str]:
    return {"group": deployment.group, "deployment": deployment.deployment}


def _routes(deployment: KnownDeployment, prefix: str, clusters: _Clusters) -> Iterator[Forward | Refuse]:
    owner = _owner(deployment)
    endpoints_of = {release.number: release.endpoints for release in deployment.releases}
    reached: dict[str, list[str]] = {}
    for selector, weights in _selectors(deployment):
        variants = _by_endpoint(weights, endpoints_of)
        reached[selector] = sorted(variants)
        for endpoint in reached[selector]:
            members = {**owner, "endpoint": endpoint}
            yield _route(f"{prefix}{selector}/{endpoint}", members, variants[endpoint], clusters)
    if not any(reached.values()):
        yield Refuse(prefix=prefix, problem=NO_READY_REPLICA, members=owner)
    else:
        yield _unknown_endpoint(prefix, owner, reached)


def _unknown_endpoint(prefix: str, owner: Mapping[str, str], reached: Mapping[str, list[str]]) -> Refuse:
    """Name what there is: at the deployment's own URL, or else below the aliases and labels it has."""
    told = {"": reached[""]} if reached.get("") else reached
    paths = [f"{prefix}{selector}/{name}" for selector, names in told.items() for name in names]
    endpoints = sorted({name for names in told.values() for name in names})
    members = {**owner, "endpoints": endpoints, "paths": ", ".join(paths)}
    return Refuse(prefix=prefix, problem=ENDPOINT_UNKNOWN, members=members)


def _selectors(deployment: KnownDeployment) -> Iterator[tuple[str, _Weights]]:
    """Return the path parts that choose releases: an alias, a version label, or nothing for `live`."""
    aliases = {
        route.alias: {share.release: share.weight for share in route.shares} for route in deployment.aliases
    }
    for alias, weights in sorted(aliases.items()):
        yield f"/{alias}", weights
    for label, release in sorted(deployment.labels.items()):
        if label not in aliases:
            yield f"/{label}", {release: FULL_WEIGHT}
    if LIVE_ALIAS in aliases:
        yield "", aliases[LIVE_ALIAS]


def _by_endpoint(
    weights: _Weights, endpoints_of: Mapping[int, tuple[KnownEndpoint, ...]]
) -> dict[str, list[tuple[KnownEndpoint, int]]]:
    variants: dict[str, list[tuple[KnownEndpoint, int]]] = {}
    for release, weight in weights.items():
        for endpoint in endpoints_of.get(release, ()):
            variants.setdefault(endpoint.name, []).append((endpoint, weight))
    return variants


def _route(
    prefix: str,
    members: Mapping[str, str],
    variants: list[tuple[KnownEndpoint, int]],
    clusters: _Clusters,
) -> Forward | Refuse:
    """Send requests to the releases that can take them; one without a ready replica gives up its part."""
    weights: dict[str, int] = {}
    for endpoint, weight in variants:
        if (cluster := clusters.get(endpoint.workload)) is not None:
            weights[cluster.name] = weights.get(cluster.name, 0) + weight
    if not weights:
        return Refuse(prefix=prefix, problem=NO_READY_REPLICA, members=members)
    rules = [endpoint for endpoint, _ in variants]
    limits = [rule.max_body_bytes for rule in rules if rule.max_body_bytes is not None]
    limit = max(limits) if len(limits) == len(rules) else None
    return Forward(
        prefix=prefix,
        clusters=tuple(sorted(weights.items())),
        members=members,
        timeout_seconds=max(rule.timeout_seconds for rule in rules),
        max_body_bytes=limit,
        idempotent=all(rule.idempotent for rule in rules),
    )
