"""Refused requests are told one by one while there is room, and else as a number of their client."""

from typing import Any

import pytest
from slipway_api.audit.refused_windows import CLIENTS, KINDS, KINDS_OF_ONE, Refusal, Telling, Windows
from slipway_contracts.envelope import Origin, now
from slipway_contracts.installation_events import RequestRefused

WITHIN = 60.0


def refusal(
    deployment: str = "digits", *, user: str | None = None, address: str = "192.0.2.7", **more: Any
) -> Refusal:
    refused = RequestRefused(
        group="default",
        deployment=deployment,
        **{"method": "POST", "route": "/v1/x", "status": 403, "reason": "RoleMissing"} | more,
    )
    return Refusal(refused, Origin(user=user, address=address, request="r"), now(), None)


def flood(windows: Windows, requests: int, **who: Any) -> list[Telling]:
    """Ask for something else each time, and return what is told at once."""
    taken = [windows.take(refusal(f"d{number}", **who), 0.0) for number in range(requests)]
    return [telling for telling in taken if telling is not None]


def test_like_requests_are_one_number_when_their_time_is_over() -> None:
    windows = Windows(within=WITHIN)
    first, *others = [windows.take(refusal(), at) for at in (0.0, 1.0, 2.0)]

    early, (told,) = list(windows.end(WITHIN - 1)), windows.end(WITHIN)

    assert (first is not None, others) == (True, [None, None])
    assert (early, told.count, told.others, told.untold) == ([], 2, 0, 0)
    assert windows.ends is None


@pytest.mark.parametrize(
    "differing",
    [
        {"reason": "QuotaExceeded"},
        {"outcome": "unknown"},
        {"dry_run": True},
        {"unconfirmed": "0198b2f4-0000-7000-8000-000000000000"},
        {"user": "ada"},
        {"address": "192.0.2.8"},
    ],
)
def test_what_differs_is_told_for_itself(differing: dict[str, Any]) -> None:
    windows = Windows(within=WITHIN)

    assert windows.take(refusal(), 0.0) is not None
    assert windows.take(refusal(**differing), 0.0) is not None


def test_the_rest_of_one_client_is_a_number_of_that_client() -> None:
    windows = Windows(within=WITHIN)

    told = flood(windows, KINDS_OF_ONE + 12)
    ended = list(windows.end(WITHIN))

    assert len(told) == KINDS_OF_ONE + 1
    assert [(telling.count, telling.others, telling.untold) for telling in ended] == [(1, 10, 0)]
    assert ended[0].refusal.refused.deployment == f"d{KINDS_OF_ONE + 11}"
    assert ended[0].refusal.origin.address == "192.0.2.7"


@pytest.mark.parametrize(
    ("flooding", "other"),
    [
        ({"address": "192.0.2.7"}, {"address": "192.0.2.8"}),
        ({"address": "192.0.2.7"}, {"address": "192.0.2.7", "user": "ada"}),
        ({"user": "eve"}, {"user": "ada"}),
        ({"user": "eve"}, {"address": "192.0.2.7"}),
        ({"address": "2001:db8::1"}, {"address": "2001:db8:0:1::1"}),
    ],
)
def test_who_asks_too_much_takes_no_room_of_others(flooding: dict[str, str], other: dict[str, str]) -> None:
    windows = Windows(within=WITHIN)
    flood(windows, 10 * KINDS, **flooding)

    assert len(flood(windows, KINDS_OF_ONE, **other)) == KINDS_OF_ONE


def test_the_addresses_of_one_network_are_one_client() -> None:
    windows = Windows(within=WITHIN)
    addresses = [f"2001:db8::{number:x}" for number in range(1, 2 * KINDS_OF_ONE)]

    told = [windows.take(refusal(address=address), 0.0) for address in addresses]

    assert sum(telling is not None for telling in told) == KINDS_OF_ONE + 1


def test_what_a_crowd_asks_is_bounded_and_still_told_as_a_number() -> None:
    windows = Windows(within=WITHIN)
    clients = [{"address": f"198.51.{high}.{low}"} for high in range(4) for low in range(250)]

    at_once = sum(len(flood(windows, 3, **client)) for client in clients)
    ended = list(windows.end(WITHIN))

    asked = 3 * len(clients)
    assert at_once == KINDS + CLIENTS + 1
    assert len(ended) <= CLIENTS + 1
    assert at_once + sum(telling.count + telling.others + telling.untold for telling in ended) == asked
    assert flood(windows, 3, user="ada")


def test_a_crowd_without_keys_leaves_those_who_have_one_their_room() -> None:
    windows = Windows(within=WITHIN)
    for number in range(250):
        flood(windows, 3, address=f"198.51.100.{number}")

    assert len(flood(windows, KINDS_OF_ONE, user="ada")) == KINDS_OF_ONE


def test_room_is_free_again_when_its_time_is_over() -> None:
    windows = Windows(within=WITHIN)
    flood(windows, 10 * KINDS)

    list(windows.end(WITHIN))

    assert len(flood(windows, 2 * KINDS_OF_ONE)) == KINDS_OF_ONE + 1
