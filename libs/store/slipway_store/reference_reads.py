"""Reads of what refers to a secret or an artifact of a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_contracts.lifecycle import KEPT_RELEASES, UNFINISHED_RELEASES, DeploymentState, ReleaseState

from slipway_store.statements import Statements

_RUNNING: Final = sorted(UNFINISHED_RELEASES | {ReleaseState.LIVE, ReleaseState.DRAINING})
_REFERRING: Final = """
    select distinct release.deployment from release
    join deployment on deployment."group" = release."group" and deployment.id = release.deployment
    where release."group" = $1 and deployment.state <> $3
    and (
        release.config #>> '{image_pull_secret,secret}' = $2
        or exists (
            select from jsonb_each(release.config -> 'environment') as variable
            where variable.value ->> 'secret' = $2
        )
    )
    and (
        release.pinned
        or release.state = any($4::text[])
        or release.number > (
            select max(newest.number) from release as newest
            where newest."group" = release."group" and newest.deployment = release.deployment
        ) - $5::bigint
    )
    order by release.deployment
"""
_SOURCES: Final = """
    select source, min(created_at) as created_at,
        (array_agg(created_by order by created_at))[1] as created_by,
        array_agg(distinct deployment order by deployment) as deployments
    from build
    where "group" = $1 and ($2::text is null or source > $2) and (source = any($3::text[])) = $4
    group by source order by source limit $5
"""


@dataclass(frozen=True, kw_only=True)
class SourceUsed:
    """An artifact of which something was built."""

    digest: str
    created_at: datetime
    created_by: str
    deployments: tuple[str, ...]


class ReferenceReads(Statements):
    """Reads of what refers to a secret or an artifact."""

    async def users_of_secret(self, group: str, secret: str) -> list[str]:
        """Return the deployments of which a kept release refers to a secret: one that runs, or can again."""
        found = await self._fetch(_REFERRING, group, secret, DeploymentState.PURGED, _RUNNING, KEPT_RELEASES)
        return [row["deployment"] for row in found]

    async def sources(
        self, group: str, *, marked: Sequence[str], only_marked: bool, after: str | None, limit: int
    ) -> list[SourceUsed]:
        """Return the sources of a group's builds by digest, beyond `after`: those `marked`, or the others."""
        found = await self._fetch(_SOURCES, group, after, list(marked), only_marked, limit)
        return [
            SourceUsed(
                digest=row["source"],
                created_at=row["created_at"],
                created_by=row["created_by"],
                deployments=tuple(row["deployments"]),
            )
            for row in found
        ]
