"""Which limits count as set by hand, and what provisioning sets."""

import json
from typing import Any

import pytest
from slipway_chassis.limits_by_hand import STREAM_LIMITS, ByHand, set_by_hand, with_limits

WANTED = {"max_bytes": 4, "max_age": 0}


def make_existing(provisioned: dict[str, int] | None = None, **limits: int) -> dict[str, Any]:
    metadata = {"_nats.level": "1"}
    if provisioned is not None:
        metadata["slipway.provisioned"] = json.dumps(provisioned)
    return {"max_bytes": -1, "max_age": 0, "max_msgs": -1, "metadata": metadata} | limits


@pytest.mark.parametrize(
    ("existing", "by_hand"),
    [
        ({}, []),
        (make_existing(max_bytes=4), []),
        (make_existing(max_bytes=3), [ByHand("max_bytes", found=3, planned=4)]),
        (make_existing({"max_bytes": 3}, max_bytes=3), []),
        (make_existing({"max_bytes": 3}, max_bytes=-1), [ByHand("max_bytes", found=-1, planned=4)]),
        (make_existing(max_bytes=4, max_age=9), [ByHand("max_age", found=9, planned=0)]),
        (make_existing(max_bytes=4, max_msgs=9), [ByHand("max_msgs", found=9, planned=-1)]),
    ],
)
def test_a_limit_is_set_by_hand_that_nobody_wants_and_nobody_provisioned(
    existing: dict[str, Any], by_hand: list[ByHand]
) -> None:
    assert set_by_hand(existing, WANTED, STREAM_LIMITS) == by_hand


@pytest.mark.parametrize(
    ("existing", "max_bytes"),
    [
        ({}, 4),
        (make_existing({"max_bytes": 3}, max_bytes=3), 4),
        (make_existing({"max_bytes": 9}, max_bytes=9), 9),
        (make_existing({"max_bytes": 3}, max_bytes=2), 2),
        (make_existing({"max_bytes": 3}, max_bytes=-1), -1),
        (make_existing(max_bytes=9), 9),
    ],
)
def test_what_was_provisioned_becomes_wider_and_what_was_set_by_hand_stays(
    existing: dict[str, Any], max_bytes: int
) -> None:
    assert with_limits(existing, WANTED, STREAM_LIMITS)["max_bytes"] == max_bytes


@pytest.mark.parametrize("existing", [{}, make_existing(max_bytes=9), make_existing({"max_bytes": 3})])
def test_setting_limits_again_changes_nothing(existing: dict[str, Any]) -> None:
    once = existing | with_limits(existing, WANTED, STREAM_LIMITS)

    assert once | with_limits(once, WANTED, STREAM_LIMITS) == once
    assert {**(existing.get("metadata") or {}), **once["metadata"]} == once["metadata"]
