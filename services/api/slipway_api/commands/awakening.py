"""What a stopped deployment brings back when it runs again, whichever command lets it run."""

from itertools import chain
from typing import TypedDict

from slipway_contracts.lifecycle import Wanted
from slipway_contracts.traffic import FULL_WEIGHT, AliasRoute, RestoredRelease, TrafficShare

from slipway_api.reading.archive import Archive
from slipway_api.refusing.lifecycle_problems import ReleaseNotRestorableError
from slipway_api.refusing.problems import ReleaseNotFoundError
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import Standing


class Awakened(TypedDict, total=False):
    """Members of a command that makes a release."""

    aliases: tuple[AliasRoute, ...]
    restored: tuple[RestoredRelease, ...]


class Awakening:
    """Names the aliases and pins of a deployment that is stopped.

    Args:
        archive: knows what ran before.
    """

    def __init__(self, *, archive: Archive) -> None:
        self._archive = archive

    async def of(self, standing: Standing, lane: Lane, alias: str) -> Awakened:
        """Return the aliases but this one with their releases, and the pinned ones as far as they can run.

        Raises:
            ReleaseNotRestorableError: a release of an alias cannot run again.
        """
        if lane.asked is not Wanted.STOPPED:
            return {}
        aliases = tuple(route for route in standing.routes if route.alias != alias)
        shares = chain.from_iterable(route.shares for route in aliases)
        named = await self._archive.restored(standing, shares)
        numbers = {each.number for each in named}
        pinned = [await self._pinned(standing, number) for number in sorted(standing.pins - numbers)]
        return {
            "aliases": aliases,
            "restored": (*named, *(each for each in pinned if each is not None)),
        }

    async def _pinned(self, standing: Standing, number: int) -> RestoredRelease | None:
        share = TrafficShare(release=number, weight=FULL_WEIGHT)
        try:
            return next(iter(await self._archive.restored(standing, (share,))), None)
        except (ReleaseNotFoundError, ReleaseNotRestorableError):
            return None
