"""Routes and clusters as the gateway thinks of them. Envoy's own terms begin behind this module."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway_gateway.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The ready replicas of a workload that get requests.

    Its name changes with the number of serving replicas: what replicas that were scaled away still work on
    is then counted under the name that no route has any more.
    """

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Forward:
    """Requests below `prefix` go to the clusters, by weight; `members` name the endpoint in a problem."""

    prefix: str
    clusters: tuple[tuple[str, int], ...]
    members: Mapping[str, Any]
    timeout_seconds: float
    max_body_bytes: int | None
    idempotent: bool


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Requests below `prefix` are answered with a problem."""

    prefix: str
    problem: Problem
    members: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Passwords:
    """Requests have to carry one of these users' passwords; `digests` are by user name."""

    digests: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Requests have to carry a key for this audience, with one of these ids."""

    audience: str
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """All routes below one prefix, in the order in which they are tried, and what a request has to show."""

    prefix: str
    routes: tuple[Forward | Refuse, ...]
    guard: Passwords | Keys | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """All routes of one deployment, below each of its names, and its clusters.

    `draining` has the workloads that stand in no route, `leaving` the replicas that get no new requests,
    each with the name of the cluster that still gets requests of its workload.
    """

    places: tuple[Place, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    draining: tuple[str, ...] = ()
    leaving: tuple[tuple[str, str, str | None], ...] = ()


def split_address(address: str) -> tuple[str, int]:
    """Return IP address and port of `host:port`; an IPv6 host stands in brackets.

    Raises:
        ValueError: the host is no IP address, or the port is none.
    """
    host, _, port = address.rpartition(":")
    number = int(port)
    if not 0 < number < 1 << 16:
        raise ValueError(f"{port} is no port")
    found = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    if "%" in host:
        raise ValueError(f"{host} has a scope, which Envoy does not take")
    return str(found), number
