"""Says whether callers of a local server wait for its answer, from what the kernel knows of connections."""

import asyncio
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slipway_engines.supervisor import socket_diag
from slipway_engines.supervisor.socket_diag import Exchange, Socket

_GOOD_FOR_SECONDS: Final = 2.5
_RECENT_MS: Final = 10_000
_ABANDONED_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long the caller has waited that has waited longest, also one that gave up unanswered."""

    seconds: float = 0.0
    possible: bool = False
    """Whether somebody may wait, be in the middle of an answer, or have given up a moment ago: a server might
    be busy with that."""


UNTOLD: Final = Waiting(possible=True)
"""The kernel does not say."""


class Callers:
    """The connections of this machine, looked up every few seconds at most, for all who ask."""

    def __init__(self) -> None:
        self._sockets: Mapping[int, Sequence[Socket]] | None = {}
        self._seen_at = -math.inf
        self._looking = asyncio.Lock()

    async def waiting(self, port: int, *, but: Collection[int] = ()) -> Waiting:
        """Return who waits for the server on a port.

        Args:
            port: where it listens.
            but: ports of callers that do not count.
        """
        async with self._looking:
            if time.monotonic() - self._seen_at > _GOOD_FOR_SECONDS:
                # Some 10 µs for each connection of the machine, which may have many thousands.
                self._sockets = await asyncio.to_thread(_lookup)
                self._seen_at = time.monotonic()
        if self._sockets is None:
            return UNTOLD
        return waiting_of(each for each in self._sockets.get(port, ()) if each.peer_port not in but)


def waiting_of(sockets: Iterable[Socket]) -> Waiting:
    """Return who waits at the server side of these connections. Pure.

    An answer is taken for given when the last data went out after the last data came in. The kernel counts
    in ticks: of what went out and came in within one, nobody knows which was first. Who gave up is not heard
    of by a server that works on the request: for a while it may still be busy with that.
    """
    seconds, possible = 0.0, False
    for each in sockets:
        if each.exchange is None:
            return UNTOLD
        if _is_owed(each.exchange):
            seconds = max(seconds, each.exchange.received_ms_ago / 1000)
        possible = possible or _may_be_busy_with(each.state, each.exchange)
    return Waiting(seconds, possible)


def _may_be_busy_with(state: int, exchange: Exchange) -> bool:
    if state == socket_diag.ESTABLISHED:
        return _may_be_owed(exchange)
    return _is_owed(exchange) and exchange.received_ms_ago < _ABANDONED_MS


def _is_owed(exchange: Exchange) -> bool:
    within_one_tick = exchange.received_ms_ago == exchange.sent_ms_ago
    received_last = exchange.received_ms_ago < exchange.sent_ms_ago
    return exchange.received_bytes > 0 and (received_last or (within_one_tick and exchange.sent_bytes == 0))


def _may_be_owed(exchange: Exchange) -> bool:
    unanswered = exchange.received_bytes > 0 and exchange.received_ms_ago <= exchange.sent_ms_ago
    return unanswered or (exchange.sent_bytes > 0 and exchange.sent_ms_ago < _RECENT_MS)


def _lookup() -> dict[int, list[Socket]] | None:
    """Return the connections by the port of this side: many replicas ask, each for its own."""
    states = (socket_diag.ESTABLISHED, socket_diag.CLOSE_WAIT)
    found: dict[int, list[Socket]] = {}
    try:
        for each in socket_diag.sockets(*states, exchanges=True):
            found.setdefault(each.port, []).append(each)
    except OSError:
        return None
    return found
