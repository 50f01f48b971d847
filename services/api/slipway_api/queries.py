"""The reads of the API, from the projection, and from the log where that knows more.

Every read takes the position it must have reached at least. Decides nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Command
from slipway_contracts.lifecycle import (
    TERMINAL_OPERATIONS,
    UNFINISHED_RELEASES,
    DeploymentState,
    OperationState,
    ReleaseState,
)
from slipway_contracts.replica import ReplicaState
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads
from slipway_store.rows import DeploymentStatus, ReleaseRow

from slipway_api import problems, progress, refusals
from slipway_api.access import Principal, Role
from slipway_api.conditions import conditions
from slipway_api.feed import Feed, Interest
from slipway_api.views import (
    Accepted,
    Deployment,
    DeploymentDetail,
    Endpoint,
    Operation,
    Overdue,
    Release,
    Replica,
)

_OPERATION_TYPES: Final = ("operation", "release.created")
_UNFINISHED: Final = (OperationState.PENDING, OperationState.RUNNING)
_ENDED_REPLICAS: Final = (ReplicaState.EXITED, ReplicaState.GONE)
_MOST_UNFINISHED: Final = 20
_MOST_ENDED_REPLICAS: Final = 20


class Queries:
    """Answers from what the platform knows.

    Args:
        log: the log.
        reads: the projection.
        feed: what happens now.
        gateway_url: base of the endpoints' URLs.
        patience: longest wait for the projection.
    """

    def __init__(
        self, *, log: EventLog, reads: Reads, feed: Feed, gateway_url: str, patience: timedelta
    ) -> None:
        self.rows = reads
        self._log = log
        self._feed = feed
        self._gateway_url = gateway_url.rstrip("/")
        self._patience = patience

    async def reach(self, at_least: int | None) -> None:
        """Wait until the projection holds this sequence.

        Raises:
            ProjectionBehindError: it does not in time.
        """
        if at_least is None or await self.rows.wait_for(at_least, self._patience):
            return
        raise refusals.projection_behind(at_least, self._patience)

    async def operation(self, caller: Principal, identifier: str, at_least: int | None) -> Operation:
        """Return an operation; the message at `at_least` answers where the projection does not know it yet.

        Raises:
            OperationNotFoundError: there is none.
            ProjectionBehindError: that cannot be said in time.
            RoleMissingError: it belongs to a group in which the caller has no role.
        """
        found = await self._operation(identifier, at_least)
        if found is None:
            raise problems.OperationNotFoundError(
                f"There is no operation {identifier}.",
                hint="Give the id that the 202 answer named, with its at_least; or list GET /v1/operations.",
                operation=identifier,
            )
        caller.require(Role.VIEWER, found.group)
        return found

    async def _operation(self, identifier: str, at_least: int | None) -> Operation | None:
        try:
            reached = at_least is None or await self.rows.wait_for(at_least, self._patience)
            row = await self.rows.operation(identifier)
        except DatabaseUnavailableError:
            if at_least is not None and (pending := await self._pending(identifier, at_least)):
                return pending
            raise
        if row is not None and (reached or row.state in TERMINAL_OPERATIONS):
            return progress.from_row(row)
        if at_least is None or reached:
            return None
        if pending := await self._pending(identifier, at_least):
            return pending
        raise refusals.projection_behind(at_least, self._patience)

    async def _pending(self, identifier: str, sequence: int) -> Operation | None:
        stored = await self._log.get(sequence)
        if stored is None or stored.headers.get("ce-id") != identifier:
            return None
        command = stored.message
        if not isinstance(command, Command):
            return None
        return progress.accepted(command, identifier=identifier, at=stored.envelope.time)

    async def ended(self, accepted: Accepted, *, within: timedelta) -> Accepted:
        """Return the answer at the end of its operation, or as far as it came in time.

        Its sequence is then that of the message that ended it. Reads the log alone.
        """
        operation, sequence = accepted.operation, accepted.sequence
        if operation.state in TERMINAL_OPERATIONS:
            return accepted
        interest = Interest(group=operation.group, deployment=operation.deployment, types=_OPERATION_TYPES)
        batches = self._feed.batches(interest, after=sequence, within=within.total_seconds())
        try:
            async with asyncio.timeout(within.total_seconds()), aclosing(batches):
                async for _, entries in batches:
                    for entry in entries:
                        operation = progress.fold(operation, entry.stored)
                        sequence = entry.sequence
                        if operation.state in TERMINAL_OPERATIONS:
                            return accepted.model_copy(update={"operation": operation, "sequence": sequence})
        except TimeoutError:
            pass
        return accepted.model_copy(update={"operation": operation})

    async def deployment(self, group: str, deployment: str) -> DeploymentDetail:
        """Return all that there is to say about a deployment now.

        Raises:
            DeploymentNotFoundError: there is none, or it was deleted.
        """
        status = await self.rows.deployment(group, deployment)
        facts = await self.rows.facts(group, deployment)
        if status is None or facts is None or status.state is DeploymentState.DELETED:
            raise refusals.deployment_not_found(group, deployment, deleted=status is not None)
        newest = next(iter(await self.rows.releases(group, deployment, limit=1)), None)
        live = await self._live(status, newest)
        return DeploymentDetail(
            **summary(status).model_dump(),
            url=f"{self._gateway_url}/{group}/{deployment}",
            endpoints=self._endpoints(group, deployment, live),
            conditions=list(conditions(facts, newest, live)),
            live=release(live) if live else None,
            next=release(newest) if newest and newest.state in UNFINISHED_RELEASES else None,
            failure=newest.failure if newest and newest.state is ReleaseState.FAILED else None,
            overdue=await self._overdue(group, deployment),
            replica_list=await self._replicas(group, deployment, newest, live),
        )

    async def _live(self, status: DeploymentStatus, newest: ReleaseRow | None) -> ReleaseRow | None:
        if status.live_release is None or (newest is not None and newest.number == status.live_release):
            return newest if status.live_release is not None else None
        return await self.rows.release(status.group, status.id, status.live_release)

    async def _overdue(self, group: str, deployment: str) -> Overdue | None:
        rows = await self.rows.operations(
            groups=[group], deployment=deployment, states=_UNFINISHED, limit=_MOST_UNFINISHED
        )
        late = (progress.from_row(row).overdue for row in rows)
        return min(filter(None, late), key=lambda overdue: overdue.since, default=None)

    async def _replicas(
        self, group: str, deployment: str, newest: ReleaseRow | None, live: ReleaseRow | None
    ) -> Sequence[Replica]:
        kept = {workload for row in (newest, live) if row is not None for workload in row.workloads.values()}
        rows = await self.rows.replicas(group, deployment, ended=True)
        alive = [row for row in rows if row.state not in _ENDED_REPLICAS]
        ended = [row for row in rows if row.state in _ENDED_REPLICAS and row.workload in kept]
        ended = sorted(ended, key=lambda row: row.at)[-_MOST_ENDED_REPLICAS:]
        return [Replica.model_validate(row) for row in (*alive, *ended)]

    def _endpoints(self, group: str, deployment: str, live: ReleaseRow | None) -> Sequence[Endpoint]:
        if live is None or live.version is None:
            return []
        return [
            Endpoint(
                name=spec.name,
                url=f"{self._gateway_url}/{group}/{deployment}/{spec.name}",
                description=spec.description,
                timeout_seconds=spec.timeout_seconds,
                idempotent=spec.idempotent,
            )
            for spec in live.version.endpoints
        ]


def summary(status: DeploymentStatus) -> Deployment:
    """Return a deployment as lists show it."""
    return Deployment(etag=str(status.last_command), **status.model_dump())


def release(row: ReleaseRow) -> Release:
    """Return a release as the client sees it."""
    found = Release.model_validate(row)
    return found if row.version is None else found.model_copy(update={"version_id": row.version.id})
