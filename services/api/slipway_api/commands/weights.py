"""The parts that releases have of an alias' requests. Pure."""

from collections.abc import Sequence

from slipway_contracts.traffic import FULL_WEIGHT, TrafficShare


def heaviest(shares: Sequence[TrafficShare]) -> int | None:
    """Return the release with the largest part; of equal ones, the newest."""
    largest = max(shares, key=lambda share: (share.weight, share.release), default=None)
    return largest.release if largest else None


def beside(shares: Sequence[TrafficShare], weight: int) -> tuple[TrafficShare, ...]:
    """Return these shares scaled to what `weight` leaves, in the same order; the lightest may go without."""
    room = FULL_WEIGHT - weight
    kept = sorted(shares, key=lambda share: -share.weight)[:room]
    total = sum(share.weight for share in kept)
    parts = {share.release: max(1, share.weight * room // total) for share in kept}
    for share in kept:
        parts[share.release] += _step(room - sum(parts.values()), parts[share.release])
    return tuple(
        TrafficShare(release=share.release, weight=parts[share.release])
        for share in shares
        if share.release in parts
    )


def _step(missing: int, part: int) -> int:
    """Return what a part takes of what is missing, or gives of what is too much, and stays above nothing."""
    return max(missing, 1 - part)


def in_place_of(shares: Sequence[TrafficShare], release: int | None) -> tuple[int, tuple[TrafficShare, ...]]:
    """Return the part of this release, and the others; all of it, where it has none."""
    own = next((share.weight for share in shares if share.release == release), None)
    if own is None:
        return FULL_WEIGHT, ()
    return own, tuple(share for share in shares if share.release != release)
