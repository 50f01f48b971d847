"""The history of a deployment: one entry per release, and what differs between two of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from slipway_store.queries import Reads
from slipway_store.rows import ReleaseHistory, VersionRow

from slipway_api.answers.details import release as shown
from slipway_api.answers.differences import Running, differences
from slipway_api.answers.lifecycle_views import HistoryEntry, ReleaseDiff
from slipway_api.answers.views import Page, Release
from slipway_api.reading.paging import Cut, page
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.refusing.lifecycle_refusals import how_to_restore

_ENDS: Final = ("stop", "delete", "purge")
_MOST_ENDS: Final = 200


class Histories:
    """Tells what was.

    Args:
        reads: the projection.
    """

    def __init__(self, *, reads: Reads) -> None:
        self._reads = reads

    async def page(self, group: str, deployment: str, cut: Cut) -> Page[HistoryEntry]:
        """Return a part of the history, the newest release first."""
        before = cut.behind()
        ends = await self._reads.operations(
            groups=[group], deployment=deployment, kinds=_ENDS, limit=_MOST_ENDS
        )
        times = [row.created_at for row in ends]
        rows = await page(
            lambda limit: self._reads.releases(group, deployment, before=before, limit=limit),
            cut,
            key=lambda row: (row.number,),
            view=lambda row: row,
        )
        versions = await self._versions(rows.items)
        entries = [_entry(row, times, versions.get(row.version_id or "")) for row in rows.items]
        return Page(items=entries, next_page_token=rows.next_page_token)

    async def release(self, group: str, deployment: str, number: int) -> Release:
        """Return a release.

        Raises:
            ReleaseNotFoundError: there is none of this number.
        """
        row = await self._row(group, deployment, number)
        versions = await self._versions([row])
        return shown(row).model_copy(update={"how_to_restore": _how(row, versions.get(row.version_id or ""))})

    async def diff(self, group: str, deployment: str, before: int, after: int) -> ReleaseDiff:
        """Return what differs between two releases.

        Raises:
            ReleaseNotFoundError: there is none of one number.
        """
        old, new = [await self._row(group, deployment, number) for number in (before, after)]
        return ReleaseDiff(
            group=group,
            deployment=deployment,
            before=before,
            after=after,
            changes=list(differences(_running(old), _running(new))),
        )

    async def _row(self, group: str, deployment: str, number: int) -> ReleaseHistory:
        row = await self._reads.release(group, deployment, number)
        if row is None:
            raise refusals.release_not_found(group, deployment, number)
        return row

    async def _versions(self, rows: Sequence[ReleaseHistory]) -> dict[str, VersionRow]:
        """Return the versions of the releases that cannot run again."""
        wanted = {row.version_id for row in rows if not row.restorable and row.version_id is not None}
        if not wanted:
            return {}
        group, deployment = rows[0].group, rows[0].deployment
        found = await self._reads.versions(group, deployment, ids=wanted, limit=len(wanted))
        return {row.id: row for row in found}


def _running(row: ReleaseHistory) -> Running:
    return Running(version=row.version, build=row.build, config=row.config)


def _how(row: ReleaseHistory, version: VersionRow | None) -> str | None:
    if row.restorable:
        return None
    if version is None:
        return lifecycle_refusals.never_built(row).hint
    if version.removed_at is None:
        return lifecycle_refusals.version_hidden(row.group, row.deployment, version).hint
    return how_to_restore(version)


def _entry(row: ReleaseHistory, ends: Sequence[datetime], version: VersionRow | None) -> HistoryEntry:
    ended_at = row.ended_at or row.retired_at
    return HistoryEntry(
        release=row.number,
        cause=row.cause,
        outcome=row.state,
        failure=row.failure,
        user=row.created_by,
        version_label=row.version_label,
        version_id=row.version_id,
        images={spec.name: spec.image for spec in (row.version.endpoints if row.version else ())},
        replicas=row.config.replicas,
        instance_type=row.instance_type,
        group=row.group,
        target=row.config.target,
        alias=row.alias,
        copy_of=row.copy_of,
        description=row.config.description,
        metadata=dict(row.config.metadata),
        created_at=row.created_at,
        live_at=row.live_at,
        ended_at=ended_at,
        stopped=_stopped(row.live_at, row.retired_at, ends),
        restorable=row.restorable,
        how_to_restore=_how(row, version),
    )


def _stopped(live_at: datetime | None, retired_at: datetime | None, ends: Sequence[datetime]) -> bool:
    """Say whether a stop or a delete came while a release served."""
    if live_at is None:
        return False
    return any(live_at <= end and (retired_at is None or end <= retired_at) for end in ends)
