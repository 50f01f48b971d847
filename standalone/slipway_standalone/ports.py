"""Which process listens where: the port it had, else its favourite, else a free one of the range."""

import errno
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from slipway_standalone.errors import PortError

RANGE: Final = range(8700, 9000)
"""Below the ports that kernels hand out for outgoing connections, so none of those can be in the way."""

FAVOURITES: Final[Mapping[str, int]] = {"api": 8700, "gateway": 8780}


def choose(
    names: Sequence[str],
    *,
    remembered: Mapping[str, int],
    requested: Mapping[str, int],
    is_free: Callable[[int], bool],
    pool: range = RANGE,
    seed: int = 0,
) -> dict[str, int]:
    """One port per name, no two the same.

    Installations of different seeds look from different places on, so two that start at once rarely meet.

    Raises:
        PortError: A requested port is taken, or the range is used up.
    """
    chosen: dict[str, int] = {}
    for name, port in requested.items():
        if port in chosen.values() or not is_free(port):
            raise PortError(
                f"Port {port}, wanted for {name}, is taken.",
                remedy="Stop what listens there, or name another.",
            )
        chosen[name] = port
    favourites = {name: port for name, port in FAVOURITES.items() if port in pool}
    for wishes in (remembered, favourites):
        for name in names:
            port = wishes.get(name, 0)
            if name not in chosen and port and port not in chosen.values() and is_free(port):
                chosen[name] = port
    turned = (pool[(seed + step) % len(pool)] for step in range(len(pool)))
    rest = (port for port in turned if port not in FAVOURITES.values())
    for name in names:
        if name not in chosen:
            chosen[name] = _next_free(name, rest, chosen, is_free, pool)
    return chosen


def _next_free(
    name: str, ports: Iterator[int], chosen: Mapping[str, int], is_free: Callable[[int], bool], pool: range
) -> int:
    for port in ports:
        if port not in chosen.values() and is_free(port):
            return port
    raise PortError(
        f"No port from {pool.start} to {pool.stop - 1} is free for {name}.",
        remedy="Stop what listens there, or name another range with --ports LOW-HIGH.",
    )


def is_free_on(*hosts: str) -> Callable[[int], bool]:
    """A test that tries to bind on every host; connections in TIME_WAIT do not count as taken."""

    def is_free(port: int) -> bool:
        return all(_can_bind(host, port) for host in hosts)

    return is_free


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
