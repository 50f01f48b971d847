"""Which receivers were reached lately: who reaches nobody cannot say that one receiver is not there."""

import time
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Final, Literal

from slipway_notifier.addresses import is_public

Region = Literal["machine", "network", "internet"]
_RECENT: Final = timedelta(minutes=10)
_MOST: Final = 1000


def region_of(address: str) -> Region:
    """Return how far away an address is: a receiver on this machine says nothing about the internet."""
    if is_public(address):
        return "internet"
    return "machine" if ip_address(address.partition("%")[0]).is_loopback else "network"


class Reach:
    """When each host was last reached, of the last ones.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reached: dict[str, tuple[Region, float]] = {}

    def note(self, host: str, address: str) -> None:
        """Remember that a host answered."""
        self._reached.pop(host, None)
        self._reached[host] = region_of(address), self._clock()
        if len(self._reached) > _MOST:
            del self._reached[next(iter(self._reached))]

    def is_open_beside(self, host: str, region: Region) -> bool:
        """Say whether another host of this region was reached lately, so that the way there is open."""
        since = self._clock() - _RECENT.total_seconds()
        return any(
            other != host and where == region and at >= since for other, (where, at) in self._reached.items()
        )
