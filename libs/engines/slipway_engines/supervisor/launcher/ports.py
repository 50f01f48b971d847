"""Says whether a TCP port of this machine is free, and finds one that is."""

import socket


def is_free(port: int) -> bool:
    """Say whether no process listens on this port, on any address."""
    with socket.socket() as probe:
        # Without it a port whose last connections are in TIME_WAIT would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
