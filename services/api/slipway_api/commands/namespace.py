"""Aliases, version labels and endpoint names of a deployment share one place in its URLs: no name is two."""

from collections.abc import Sequence
from typing import Final

from slipway_contracts.lifecycle import BuildState
from slipway_contracts.traffic import LIVE_ALIAS
from slipway_contracts.version import Version
from slipway_store.queries import Reads

from slipway_api.refusing import lifecycle_refusals
from slipway_api.submitting.standing import Standing

_RUNNING: Final = (BuildState.QUEUED, BuildState.RUNNING)
_MOST_BUILDS: Final = 100


class Namespace:
    """Refuses names that are taken.

    Args:
        reads: the projection, which knows the labels.
    """

    def __init__(self, *, reads: Reads) -> None:
        self._reads = reads

    async def require_alias(self, standing: Standing, alias: str) -> None:
        """Refuse an alias that is the name of something else; one that is there already is not looked at.

        Raises:
            NameClashError: with what it is.
        """
        if alias in standing.endpoints:
            raise lifecycle_refusals.name_clash(alias, "an alias", "the name of an endpoint")
        if alias in standing.aliases:
            return
        if alias in await self._labels(standing, alias):
            raise lifecycle_refusals.name_clash(alias, "an alias", "the label of a version")

    @staticmethod
    def require_label(standing: Standing, label: str | None) -> None:
        """Refuse a label that is the name of something else.

        Raises:
            NameClashError: with what it is.
        """
        if label is not None and label in standing.aliases:
            raise lifecycle_refusals.name_clash(label, "the label of a version", "an alias")
        if label is not None and label in standing.endpoints:
            raise lifecycle_refusals.name_clash(label, "the label of a version", "the name of an endpoint")

    @staticmethod
    def require_endpoints(standing: Standing, version: Version | None, alias: str = LIVE_ALIAS) -> None:
        """Refuse a version with an endpoint that is named like an alias.

        Raises:
            NameClashError: with which.
        """
        for spec in version.endpoints if version else ():
            if spec.name in standing.aliases | {alias}:
                raise lifecycle_refusals.name_clash(spec.name, "the name of an endpoint", "an alias")

    async def _labels(self, standing: Standing, name: str) -> Sequence[str]:
        row = await self._reads.version(standing.group, standing.deployment, name)
        builds = await self._reads.builds(
            groups=[standing.group], deployment=standing.deployment, states=_RUNNING, limit=_MOST_BUILDS
        )
        return [each.label for each in (row, *builds) if each is not None and each.label is not None]
