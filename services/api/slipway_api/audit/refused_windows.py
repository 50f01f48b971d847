"""Which refused requests are told one by one, and which only as a number: bounded, none at others' cost.

The first of like requests is told at once, further ones as one number when their window ends. Who has too
many kinds for that has the rest of them told as one number, and so have all others together where there are
too many of those. With a key and without one have room of their own each. Knows no log; times are seconds of
one clock.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from slipway_contracts.envelope import Origin
from slipway_contracts.installation_events import RequestRefused

KINDS_OF_ONE: Final = 30
"""Kinds of refused requests that one client may have told at a time."""
KINDS: Final = 150
"""Kinds that all clients with a key may have told at a time, and so may those without one."""
CLIENTS: Final = 150
"""Clients with a key whose other requests are told as a number for each, and so many without one."""


class Client(NamedTuple):
    """Who shares room: all addresses of a user, or all without a key of one network."""

    known: bool
    name: str | None


class Kind(NamedTuple):
    """What like requests have in common."""

    user: str | None
    address: str | None
    method: str
    route: str
    reason: str
    group: str | None
    deployment: str | None
    outcome: str
    unconfirmed: str | None
    dry_run: bool


class Refusal(NamedTuple):
    """One refused request."""

    refused: RequestRefused
    origin: Origin
    at: datetime
    traceparent: str | None


@dataclass(frozen=True)
class Telling:
    """What is to be told: a request with the number of like ones, of others of its client, of anybody's."""

    refusal: Refusal
    count: int = 1
    others: int = 0
    untold: int = 0


_Place = Kind | Client | bool


@dataclass(kw_only=True)
class _Window:
    """The time in which requests of one place are only counted.

    Attributes:
        client: whose request opened it.
        last: the newest of them.
        more: how many there were behind the first.
    """

    ends: float
    client: Client
    last: Refusal
    more: int = 0


class Windows:
    """Counts refused requests.

    Args:
        within: seconds in which like ones are told together.
    """

    def __init__(self, *, within: float) -> None:
        self._within = within
        self._windows: dict[_Place, _Window] = {}
        self._kinds_of: Counter[Client] = Counter()
        self._kinds: Counter[bool] = Counter()
        self._clients: Counter[bool] = Counter()

    @property
    def ends(self) -> float | None:
        """When the oldest window ends; None: there is none."""
        # All are equally long, so they end in the order in which they began.
        oldest = next(iter(self._windows.values()), None)
        return oldest.ends if oldest else None

    def take(self, refusal: Refusal, present: float) -> Telling | None:
        """Count a request; returned is what is to be told of it at once."""
        client = _client(refusal.origin)
        places: tuple[_Place, ...] = _kind(refusal), client, client.known
        for place in places:
            window = self._windows.get(place)
            if window is not None:
                window.last, window.more = refusal, window.more + 1
                return None
            if self._has_room(place, client):
                self._windows[place] = _Window(ends=present + self._within, client=client, last=refusal)
                self._count(place, client, 1)
                return Telling(refusal)
        raise AssertionError("there is always room for the number of what has none")

    def end(self, present: float) -> Iterator[Telling]:
        """End the windows whose time is over, and yield what is to be told of them."""
        while self._windows:
            place, window = next(iter(self._windows.items()))
            if window.ends > present:
                return
            del self._windows[place]
            self._count(place, window.client, -1)
            if window.more:
                yield _at_the_end(place, window)

    def _has_room(self, place: _Place, client: Client) -> bool:
        match place:
            case Kind():
                return self._kinds_of[client] < KINDS_OF_ONE and self._kinds[client.known] < KINDS
            case Client():
                return self._clients[client.known] < CLIENTS
            case bool():
                return True

    def _count(self, place: _Place, client: Client, change: int) -> None:
        match place:
            case Kind():
                self._kinds[client.known] += change
                self._kinds_of[client] += change
                if not self._kinds_of[client]:
                    del self._kinds_of[client]
            case Client():
                self._clients[client.known] += change
            case bool():
                pass


def _at_the_end(place: _Place, window: _Window) -> Telling:
    match place:
        case Kind():
            return Telling(window.last, count=window.more)
        case Client():
            return Telling(window.last, others=window.more - 1)
        case bool():
            return Telling(window.last, untold=window.more - 1)


def _kind(refusal: Refusal) -> Kind:
    refused, origin = refusal.refused, refusal.origin
    return Kind(
        user=origin.user,
        address=origin.address,
        method=refused.method,
        route=refused.route,
        reason=refused.reason,
        group=refused.group,
        deployment=refused.deployment,
        outcome=refused.outcome,
        unconfirmed=refused.unconfirmed,
        dry_run=refused.dry_run,
    )


def _client(origin: Origin) -> Client:
    if origin.user is not None:
        return Client(known=True, name=origin.user)
    return Client(known=False, name=_network(origin.address))


def _network(address: str | None) -> str | None:
    """Return what one client surely has of an address: of IPv6 it has at least a /64 (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64))
