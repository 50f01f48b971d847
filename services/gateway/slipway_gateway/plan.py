"""From what is known about a deployment to its routes and clusters, as a pure function."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from slipway_contracts.lifecycle import Wanted

from slipway_gateway.known import KnownDeployment, KnownEndpoint, KnownShare, KnownWorkload
from slipway_gateway.model import Cluster, Forward, Refuse, Section
from slipway_gateway.problem import DEPLOYMENT_STOPPED, ENDPOINT_UNKNOWN, NO_READY_REPLICA

LIVE: Final = "live"


def section(deployment: KnownDeployment, ready: Mapping[tuple[str, str], str]) -> Section:
    """Return what the gateway should do for one deployment."""
    clusters = {each.id: found for each in deployment.workloads if (found := _cluster(each, ready))}
    routes = tuple(_routes(deployment, clusters))
    routed = {name for route in routes if isinstance(route, Forward) for name, _ in route.clusters}
    current = {workload: each.name for workload, each in clusters.items() if each.name in routed}
    return Section(
        prefix=_prefix(deployment),
        routes=routes,
        clusters=tuple(sorted(clusters.values(), key=lambda cluster: cluster.name)),
        draining=tuple(each.id for each in deployment.workloads if each.id not in current),
        leaving=tuple(
            (each.id, replica, current.get(each.id))
            for each in deployment.workloads
            for replica in each.leaving
        ),
    )


def _prefix(deployment: KnownDeployment) -> str:
    return f"/{deployment.group}/{deployment.deployment}"


def _cluster(workload: KnownWorkload, ready: Mapping[tuple[str, str], str]) -> Cluster | None:
    addresses = {
        ready[workload.id, replica] for replica in workload.serving if (workload.id, replica) in ready
    }
    if not addresses:
        return None
    return Cluster(name=f"{workload.id}-{len(workload.serving)}", addresses=tuple(sorted(addresses)))


def _routes(deployment: KnownDeployment, clusters: Mapping[str, Cluster]) -> Iterator[Forward | Refuse]:
    prefix = _prefix(deployment)
    owner = {"group": deployment.group, "deployment": deployment.deployment}
    match deployment.wanted:
        case Wanted.DELETED:
            return
        case Wanted.STOPPED:
            yield Refuse(prefix=prefix, problem=DEPLOYMENT_STOPPED, members=owner)
        case Wanted.RUNNING if not deployment.shares:
            yield Refuse(prefix=prefix, problem=NO_READY_REPLICA, members=owner)
        case Wanted.RUNNING:
            for selector, shares in _selectors(deployment.shares):
                for endpoint, variants in sorted(_by_endpoint(shares).items()):
                    members = owner | {"endpoint": endpoint}
                    yield _route(f"{prefix}{selector}/{endpoint}", members, variants, clusters)
            yield _unknown_endpoint(prefix, owner, sorted(_by_endpoint(deployment.shares)))


def _unknown_endpoint(prefix: str, owner: Mapping[str, str], endpoints: list[str]) -> Refuse:
    paths = ", ".join(f"{prefix}/{name}" for name in endpoints)
    members = {**owner, "endpoints": endpoints, "paths": paths}
    return Refuse(prefix=prefix, problem=ENDPOINT_UNKNOWN, members=members)


def _selectors(shares: tuple[KnownShare, ...]) -> Iterator[tuple[str, tuple[KnownShare, ...]]]:
    """Return the path parts that choose releases: an alias, a version label, or nothing for `live`."""
    yield f"/{LIVE}", shares
    for label in sorted({share.label for share in shares} - {LIVE, ""}):
        yield f"/{label}", tuple(share for share in shares if share.label == label)
    yield "", shares


def _by_endpoint(shares: Iterable[KnownShare]) -> dict[str, list[tuple[KnownEndpoint, int]]]:
    variants: dict[str, list[tuple[KnownEndpoint, int]]] = {}
    for share in shares:
        for endpoint in share.endpoints:
            variants.setdefault(endpoint.name, []).append((endpoint, share.weight))
    return variants


def _route(
    prefix: str,
    members: Mapping[str, str],
    variants: list[tuple[KnownEndpoint, int]],
    clusters: Mapping[str, Cluster],
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
