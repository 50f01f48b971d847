"""What ran before: versions and releases of the projection, and whether they can run again.

Waits for the projection where the log is known to hold more; publishes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.commands import Delete, Purge, VersionImages
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.traffic import RestoredRelease, TrafficShare, releases_of
from slipway_contracts.version import Version
from slipway_store.queries import Reads
from slipway_store.rows import ReleaseRow, VersionRow

from slipway_api.installation.configurations import Configurations
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.submitting.standing import Standing

_STARTS_AGAIN: Final = frozenset({ReleaseState.LIVE, ReleaseState.DRAINING, ReleaseState.RETIRED})
_ENDS: Final = ("delete", "purge", "undelete")
_PAGE: Final = 20
_VERSIONS: Final = 500


class Archive:
    """Finds what ran before.

    Args:
        log: the log.
        reads: the projection.
        configurations: waits for the projection.
    """

    def __init__(self, *, log: EventLog, reads: Reads, configurations: Configurations) -> None:
        self._log = log
        self._reads = reads
        self._configurations = configurations

    async def version(self, group: str, deployment: str, ref: str) -> Version:
        """Return the version of this label or id, which can be run.

        Raises:
            VersionNotFoundError: there is none, in all of the log.
            VersionHiddenError: it is hidden.
            VersionRemovedError: its images were removed.
            ProjectionBehindError: it could not be said in time.
        """
        row = await self.version_row(group, deployment, ref)
        if row.hidden:
            raise lifecycle_refusals.version_hidden(group, deployment, row)
        if row.removed_at is not None:
            raise lifecycle_refusals.version_removed(group, deployment, row)
        return row.body

    async def version_row(self, group: str, deployment: str, ref: str) -> VersionRow:
        """Return all that is known of a version, by its label or id.

        Raises:
            VersionNotFoundError: there is none, in all of the log.
            ProjectionBehindError: it could not be said in time.
        """
        row = await self._configurations.found(lambda: self._reads.version(group, deployment, ref))
        if row is None:
            raise refusals.version_not_found(group, deployment, ref)
        return row

    async def catch_up(self) -> None:
        """Wait until the projection holds what the log holds now.

        Raises:
            ProjectionBehindError: it does not in time.
        """
        await self._configurations.catch_up_to_end()

    async def reach(self, sequence: int) -> None:
        """Wait until the projection holds this message of the log.

        Raises:
            ProjectionBehindError: it does not in time.
        """
        await self._configurations.catch_up(sequence)

    async def built(self, group: str, deployment: str, build: str) -> Version | None:
        """Return the version that a build made; None while it has not."""
        row = await self._reads.version(group, deployment, build)
        return row.body if row else None

    async def images(self, group: str, deployment: str) -> tuple[VersionImages, ...]:
        """Return the images of every version of a deployment that are not removed yet."""
        await self._configurations.catch_up_to_end()
        found: list[VersionImages] = []
        before: int | None = None
        while True:
            rows = await self._reads.versions(group, deployment, before=before, limit=_VERSIONS)
            found += [_images(row) for row in rows if row.removed_at is None]
            if len(rows) < _VERSIONS:
                return tuple(found)
            before = rows[-1].made

    async def release(self, group: str, deployment: str, number: int) -> ReleaseRow:
        """Return a release.

        Raises:
            ReleaseNotFoundError: there is none, in all of the log.
            ProjectionBehindError: it could not be said in time.
        """
        row = await self._configurations.found(lambda: self._reads.release(group, deployment, number))
        if row is None:
            raise refusals.release_not_found(group, deployment, number)
        return row

    async def copyable(self, group: str, deployment: str, number: int) -> RestoredRelease:
        """Return all that a copy of a release needs.

        Raises:
            ReleaseNotFoundError: there is none.
            ReleaseNotRestorableError: it never had a version, or the images of that were removed.
            ProjectionBehindError: it could not be said in time.
        """
        await self._configurations.catch_up_to_end()
        row = await self.release(group, deployment, number)
        if row.version is None:
            raise lifecycle_refusals.never_built(row)
        version = await self._reads.version(group, deployment, row.version.id)
        if version is not None and version.removed_at is not None:
            raise lifecycle_refusals.release_not_restorable(row, version)
        return RestoredRelease(number=row.number, version=row.version, config=row.config)

    async def startable(self, group: str, deployment: str, number: int) -> RestoredRelease:
        """Return all that is needed to run a release again under its number.

        Raises:
            ReleaseNotFoundError: there is none.
            ReleaseNotRestorableError: it never ran, or the images of its version were removed.
        """
        restored = await self.copyable(group, deployment, number)
        row = await self.release(group, deployment, number)
        if row.live_at is None and row.state not in _STARTS_AGAIN:
            raise lifecycle_refusals.never_ran(row)
        return restored

    async def restored(
        self, standing: Standing, shares: Iterable[TrafficShare]
    ) -> tuple[RestoredRelease, ...]:
        """Return, of the releases that have a part, those that may have to be started again.

        Raises:
            ReleaseNotFoundError: one does not exist.
            ReleaseNotRestorableError: one does not run and cannot.
        """
        absent = sorted(number for number in releases_of(shares) if not standing.runs(number))
        return tuple([await self._restored(standing, each) for each in absent])

    async def _restored(self, standing: Standing, number: int) -> RestoredRelease:
        kept = standing.kept(number)
        if kept is not None and kept.version is not None:
            return RestoredRelease(number=number, version=kept.version, config=kept.config)
        return await self.startable(standing.group, standing.deployment, number)

    async def newest_live(self, group: str, deployment: str) -> ReleaseRow | None:
        """Return the newest release that was live, of the deployment that has this id now."""
        begun = await self.begun(group, deployment)
        async for row in self._releases(group, deployment):
            if row.number < begun:
                return None
            if row.live_at is not None and row.version is not None:
                return row
        return None

    async def newest_ready(self, group: str, deployment: str, version: str) -> int | None:
        """Return the newest release of this version that was ready."""
        async for row in self._releases(group, deployment):
            if row.version is not None and row.version.id == version and row.ready_at is not None:
                return row.number
        return None

    async def begun(self, group: str, deployment: str) -> int:
        """Return the first number that a release of the deployment that has this id now can have."""
        lane = subjects.deployer_commands(group, deployment).removesuffix(">")
        ends = await asyncio.gather(*(self._log.last(lane + verb) for verb in _ENDS))
        last = max((each for each in ends if each), key=lambda stored: stored.sequence, default=None)
        if last is None or not isinstance(last.readable, Delete | Purge):
            return 1
        first = 1
        async for row in self._releases(group, deployment):
            if row.created_at <= last.time:
                first = row.number + 1
                break
        return first

    async def served(self, standing: Standing, alias: str) -> AsyncIterator[tuple[TrafficShare, ...]]:
        """Yield where an alias pointed, the newest first; never nothing."""
        await self._configurations.catch_up_to_end()
        group, deployment = standing.group, standing.deployment
        begun, before = await self.begun(group, deployment), None
        while True:
            rows = await self._reads.alias_changes(group, deployment, alias=alias, before=before, limit=_PAGE)
            for row in rows:
                if row.shares and min(releases_of(row.shares)) >= begun:
                    yield row.shares
            if len(rows) < _PAGE:
                return
            before = rows[-1].sequence

    async def _releases(self, group: str, deployment: str) -> AsyncIterator[ReleaseRow]:
        before: int | None = None
        while True:
            rows = await self._reads.releases(group, deployment, before=before, limit=_PAGE)
            for row in rows:
                yield row
            if len(rows) < _PAGE:
                return
            before = rows[-1].number


def _images(row: VersionRow) -> VersionImages:
    digests = dict.fromkeys(spec.image for spec in row.body.endpoints)
    return VersionImages(id=row.id, label=row.label, images=tuple(digests))
