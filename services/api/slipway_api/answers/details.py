"""Deployments and releases as answers, made of rows, whether these are of now or of the past. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState
from slipway_contracts.replica import ReplicaState
from slipway_store.rows import DeploymentDetail as Status
from slipway_store.rows import DeploymentStatus, OperationRow, ReleaseHistory, ReplicaRow, VersionRow

from slipway_api.answers import endings, progress
from slipway_api.answers.conditions import conditions
from slipway_api.answers.portrait import Addresses, aliases_of, call_example, serving_of, settings_of
from slipway_api.answers.views import Deployment, DeploymentDetail, Overdue, Release, Replica

MOST_UNFINISHED: Final = 20
MOST_VERSIONS: Final = 500
_ENDED_REPLICAS: Final = (ReplicaState.EXITED, ReplicaState.GONE)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rows from which a deployment is shown, all of one position.

    Attributes:
        newest: its newest release.
        live: the release that serves.
        versions: its newest versions, at least of one that was deleted.
        unfinished: the newest of its operations that have not ended.
        ending: the last stop, delete or purge, of one that is about to end.
    """

    status: Status
    facts: DeploymentFacts
    newest: ReleaseHistory | None
    live: ReleaseHistory | None
    replicas: Sequence[ReplicaRow]
    versions: Sequence[VersionRow]
    unfinished: Sequence[OperationRow]
    ending: OperationRow | None = None


def detail(seen: Seen, addresses: Addresses, *, now: datetime, as_of: int | None = None) -> DeploymentDetail:
    """Return all that there is to say about a deployment; `now` decides what is overdue."""
    status, facts, newest, live = seen.status, seen.facts, seen.newest, seen.live
    version = live.version if live else None
    failed = newest.failure if newest and newest.state is ReleaseState.FAILED else None
    held_up = endings.failure(status, seen.ending)
    return DeploymentDetail(
        **summary(status).model_dump(),
        as_of=as_of,
        url=addresses.base,
        endpoints=addresses.endpoints(version),
        settings=settings_of(status),
        aliases=aliases_of(facts.desired, addresses),
        pins=list(status.pins),
        call_example=call_example(status.settings.access, addresses, version),
        charge=status.charge,
        deleted=status.deleted,
        leftovers=_leftovers(seen),
        serving=serving_of(facts.desired, addresses),
        conditions=[*conditions(facts, newest, live, seen.replicas), *endings.conditions(seen.status, facts)],
        live=release(live) if live else None,
        next=release(newest) if newest and newest.state in UNFINISHED_RELEASES else None,
        failure=held_up or failed or status.crash_loop,
        crash_loop=status.crash_loop,
        overdue=_overdue(seen, now),
        replica_list=_shown(seen),
    )


def summary(status: DeploymentStatus) -> Deployment:
    """Return a deployment as lists show it."""
    shown = status.model_dump() | {"name": status.name or status.id}
    return Deployment(etag=str(status.last_command), **shown)


def release(row: ReleaseHistory) -> Release:
    """Return a release as the client sees it."""
    found = Release.model_validate(row)
    return found if row.version is None else found.model_copy(update={"version_id": row.version.id})


def _leftovers(seen: Seen) -> list[str]:
    if seen.status.deleted is None:
        return []
    return [f"{row.label}: {what}" for row in seen.versions for what in row.leftovers]


def _overdue(seen: Seen, now: datetime) -> Overdue | None:
    desired = seen.facts.desired
    late = (progress.from_row(row, desired=desired, now=now).overdue for row in seen.unfinished)
    return min(filter(None, late), key=lambda overdue: overdue.since, default=None)


def _shown(seen: Seen) -> list[Replica]:
    """Return the replicas that are there, and those of the releases that matter that ended."""
    mattering = [row for row in (seen.newest, seen.live) if row is not None]
    kept = {workload for row in mattering for workload in row.workloads.values()}
    desired = seen.facts.desired.releases if seen.facts.desired is not None else ()
    needing = [(each.number, workload) for each in mattering for workload in each.workloads.values()]
    needing += [(each.number, workload) for each in desired for workload in each.workloads.values()]
    releases = {workload: number for number, workload in sorted(needing)}
    return [
        Replica.model_validate(row).model_copy(update={"release": releases.get(row.workload)})
        for row in seen.replicas
        if row.state not in _ENDED_REPLICAS or row.workload in kept
    ]
