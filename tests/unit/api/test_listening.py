"""Where the api listens."""

import socket

import pytest
from slipway_api.listening import listen
from slipway_chassis.settings import SettingsError


@pytest.mark.parametrize(
    ("host", "families"),
    [
        ("127.0.0.1", [socket.AF_INET]),
        ("localhost", [socket.AF_INET]),
        ("::1", [socket.AF_INET6]),
        ("::", [socket.AF_INET, socket.AF_INET6]),
    ],
)
def test_it_listens_on_addresses_of_either_family(host: str, families: list[socket.AddressFamily]) -> None:
    loopback = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

    with listen(host, 0) as listening:
        port = listening.getsockname()[1]
        reached = [family for family, address in loopback.items() if _answers(address, port)]

    assert reached == families


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_is_taken_says_which_setting_to_change(host: str) -> None:
    with listen(host, 0) as listening:
        port = listening.getsockname()[1]

        with pytest.raises(SettingsError, match=rf"{port}: Address already in use.*; set SLIPWAY_HOST"):
            listen(host, port)


def test_an_address_that_is_not_ours_says_which_setting_to_change() -> None:
    with pytest.raises(SettingsError, match="set SLIPWAY_HOST"):
        listen("192.0.2.1", 0)
