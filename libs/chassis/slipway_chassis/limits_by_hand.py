"""Which limits of streams and consumers an operator set: those stay as they are.

Provisioning writes down in the metadata of each what it set itself. Pure: knows configurations, no server.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

UNLIMITED: Final = -1
STREAM_LIMITS: Final = {
    "max_age": 0,
    "max_bytes": UNLIMITED,
    "max_msgs": UNLIMITED,
    "max_msgs_per_subject": UNLIMITED,
    "max_msg_size": UNLIMITED,
    "max_consumers": UNLIMITED,
}
"""The limits of a stream, and how each says that there is none."""

CONSUMER_LIMITS: Final = {"max_ack_pending": UNLIMITED}
"""The limits of a consumer, likewise."""

_PROVISIONED: Final = "slipway.provisioned"


@dataclass(frozen=True)
class ByHand:
    """A limit that an operator set, and what would be set instead."""

    limit: str
    found: int
    planned: int


def set_by_hand(
    existing: Mapping[str, Any], wanted: Mapping[str, Any], limits: Mapping[str, int]
) -> list[ByHand]:
    """Return the limits that are neither what is wanted nor what was provisioned; none of what is new.

    Where an older release did not write down what it set, all that differ count as set by hand.
    """
    provisioned = _provisioned(existing)
    by_hand: list[ByHand] = []
    if not existing:
        return by_hand
    for limit, none in limits.items():
        found, planned = existing.get(limit, none), wanted.get(limit, none)
        if found not in (planned, provisioned.get(limit, planned)):
            by_hand.append(ByHand(limit, found=found, planned=planned))
    return by_hand


def with_limits(
    existing: Mapping[str, Any], wanted: Mapping[str, Any], limits: Mapping[str, int]
) -> dict[str, Any]:
    """Return what is wanted with the limits to set, and with the metadata that tells them.

    What was set by hand stays; another limit becomes wider where that is wanted, and never narrower.
    """
    merged, provisioned = dict(wanted), _provisioned(existing)
    by_hand = {each.limit: each.found for each in set_by_hand(existing, wanted, limits)}
    for limit, none in limits.items():
        if limit in by_hand:
            merged[limit] = by_hand[limit]
        elif limit in wanted:
            found = existing.get(limit, wanted[limit])
            merged[limit] = provisioned[limit] = _wider(found, wanted[limit], none)
    told = {_PROVISIONED: json.dumps(provisioned, sort_keys=True)}
    return merged | {"metadata": {**(existing.get("metadata") or {}), **told}}


def _wider(found: int, wanted: int, none: int) -> int:
    return none if none in (found, wanted) else max(found, wanted)


def _provisioned(existing: Mapping[str, Any]) -> dict[str, int]:
    provisioned: dict[str, int] = json.loads((existing.get("metadata") or {}).get(_PROVISIONED, "{}"))
    return provisioned
