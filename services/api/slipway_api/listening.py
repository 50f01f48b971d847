"""The socket on which the api listens: of either family, with an error that says what to set."""

import socket
from typing import Final

from slipway_chassis.settings import SettingsError

_BACKLOG: Final = 2048
_ALL_ADDRESSES: Final = "::"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; `::` stands for all addresses of both families.

    A name that has addresses of both families means the one of IPv4.

    Raises:
        SettingsError: it cannot be listened there.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
        both = host == _ALL_ADDRESSES and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise SettingsError(
            f"the API cannot listen at {where}: {error.strerror}; set SLIPWAY_HOST, SLIPWAY_PORT"
        ) from error
