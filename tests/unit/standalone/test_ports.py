import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slipway_standalone.errors import PortError
from slipway_standalone.plan import PORT_NAMES
from slipway_standalone.ports import FAVOURITES, RANGE, choose, is_free_on


def chosen(**overrides: Any) -> dict[str, int]:
    wishes: dict[str, Any] = {"remembered": {}, "requested": {}, "is_free": lambda _: True} | overrides
    return choose(PORT_NAMES, **wishes)


def test_a_fresh_installation_listens_where_people_look_first() -> None:
    ports = chosen()

    assert {name: ports[name] for name in FAVOURITES} == dict(FAVOURITES)


def test_a_taken_favourite_gives_way_to_another_port_of_the_range() -> None:
    ports = chosen(is_free=lambda port: port != FAVOURITES["api"])

    assert ports["api"] in RANGE
    assert ports["api"] != FAVOURITES["api"]


def test_a_port_is_kept_while_it_is_free_even_outside_of_the_range() -> None:
    assert chosen(remembered={"api": 19_999})["api"] == 19_999


def test_a_remembered_port_that_is_taken_is_given_up() -> None:
    ports = chosen(remembered={"api": 19_999}, is_free=lambda port: port != 19_999)

    assert ports["api"] == FAVOURITES["api"]


def test_a_requested_port_goes_before_a_remembered_one() -> None:
    assert chosen(remembered={"api": 8750}, requested={"api": 8751})["api"] == 8751


def test_a_requested_port_that_is_taken_is_refused_by_its_number_and_name() -> None:
    with pytest.raises(PortError, match=r"8751.*api"):
        chosen(requested={"api": 8751}, is_free=lambda port: port != 8751)


def test_one_port_requested_for_two_is_refused() -> None:
    with pytest.raises(PortError, match="8751"):
        chosen(requested={"api": 8751, "gateway": 8751})


def test_a_used_up_range_is_refused_by_its_bounds() -> None:
    with pytest.raises(PortError, match="8700 to 8703"):
        chosen(pool=range(8700, 8704))


@given(
    remembered=st.dictionaries(st.sampled_from(PORT_NAMES), st.integers(8700, 8720)),
    taken=st.sets(st.integers(8700, 8720)),
)
def test_no_two_processes_ever_share_a_port_and_none_gets_a_taken_one(
    remembered: dict[str, int], taken: set[int]
) -> None:
    ports = chosen(remembered=remembered, is_free=lambda port: port not in taken)

    assert set(ports) == set(PORT_NAMES)
    assert len(set(ports.values())) == len(PORT_NAMES)
    assert not taken & set(ports.values())


def test_a_port_somebody_listens_on_is_not_free_on_any_address() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104
        port = server.getsockname()[1]

        assert not is_free_on("127.0.0.1")(port)
    assert is_free_on("127.0.0.1")(port)
