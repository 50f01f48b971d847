"""What an alias serves, as its events tell it. Pure."""

from collections.abc import Sequence

from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.names import VersionId
from slipway_contracts.traffic import Serving, TrafficShare, most_of


def serving_of(
    desired: Desired, alias: str, shares: Sequence[TrafficShare], before: Sequence[TrafficShare]
) -> Serving | None:
    """Return what most requests of an alias go to by `shares`, and went to by `before`."""
    number, earlier = most_of(shares), most_of(before)
    release = desired.release(number) if number is not None else None
    if release is None or release.version is None:
        return None
    return Serving(
        alias=alias,
        release=release.number,
        version=release.version.id,
        label=release.version.label,
        target=release.config.target,
        before=_version_of(desired, earlier) if earlier is not None else None,
        older=earlier is not None and _origin(desired, release.number) < _origin(desired, earlier),
    )


def going_on(desired: Desired, alias: str, shares: Sequence[TrafficShare]) -> Serving | None:
    """Return what an alias serves that moves away from where it points, to what is live already.

    None where most of it goes to a release that is not, or comes back from one that never was.
    """
    before = desired.shares_of(alias)
    to, back = _state(desired, shares), _state(desired, before)
    if to is not ReleaseState.LIVE or back is ReleaseState.READY:
        return None
    return serving_of(desired, alias, shares, before)


def _state(desired: Desired, shares: Sequence[TrafficShare]) -> ReleaseState | None:
    number = most_of(shares)
    release = desired.release(number) if number is not None else None
    return release.state if release is not None else None


def _origin(desired: Desired, number: int) -> int:
    """Return the number of what a release copies, through copies of copies; its own where it is no copy.

    Where a copied release is not desired any more, the first that served its version stands for it.
    """
    release = desired.release(number)
    if release is None:
        served = (each.releases for each in desired.kept_versions if number in each.releases)
        return min(next(served, (number,)))
    if release.copy_of is None:
        return number
    return _origin(desired, release.copy_of)


def _version_of(desired: Desired, number: int) -> VersionId | None:
    release = desired.release(number)
    if release is not None and release.version is not None:
        return release.version.id
    return next((each.id for each in desired.kept_versions if number in each.releases), None)
