"""The reads of the API, from the projection, and from the log where that knows more.

Every read takes the position it must have reached at least. Decides nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Feed, Interest
from slipway_contracts.commands import Command
from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS, DeploymentState, OperationState
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads
from slipway_store.rows import DeploymentDetail as Status
from slipway_store.rows import OperationRow, ReleaseHistory

from slipway_api.answers import endings, progress
from slipway_api.answers.details import MOST_UNFINISHED, MOST_VERSIONS, Seen, detail
from slipway_api.answers.lifecycle_views import AccessDetail, BasicAccount
from slipway_api.answers.portrait import Addresses, aliases_of, call_example
from slipway_api.answers.views import Accepted, Alias, DeploymentDetail, Operation
from slipway_api.identity.access import Principal, Role
from slipway_api.refusing import lifecycle_refusals, problems, refusals

_OPERATION_TYPES: Final = ("operation", "release.created")
_UNFINISHED: Final = (OperationState.PENDING, OperationState.RUNNING)


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
            return await self._with_deadline(row)
        if at_least is None or reached:
            return None
        if pending := await self._pending(identifier, at_least):
            return pending
        raise refusals.projection_behind(at_least, self._patience)

    async def _with_deadline(self, row: OperationRow) -> Operation:
        """Return the operation of a row, with a deadline that only the deployer's decision knows."""
        operation = progress.from_row(row)
        if operation.overdue is None:
            return operation
        facts = await self.rows.facts(row.group, row.deployment)
        return progress.from_row(row, desired=facts.desired if facts else None)

    async def _pending(self, identifier: str, sequence: int) -> Operation | None:
        stored = await self._log.get(sequence)
        if stored is None or stored.headers.get("ce-id") != identifier:
            return None
        command = stored.readable
        if not isinstance(command, Command):
            return None
        return progress.accepted(command, identifier=identifier, at=stored.envelope.time)

    async def ended(self, accepted: Accepted, *, within: timedelta) -> Accepted:
        """Return the answer at the end of its operation, or as far as it came in time.

        Its sequence is then that of the message that ended it. Reads the log alone.
        """
        operation, sequence = accepted.operation, accepted.sequence
        if operation.state in TERMINAL_OPERATIONS or not within:
            return accepted
        interest = Interest(group=operation.group, deployment=operation.deployment, types=_OPERATION_TYPES)
        batches = self._feed.batches(interest, after=sequence, within=within.total_seconds())
        try:
            async with asyncio.timeout(within.total_seconds()), aclosing(batches):
                async for batch in batches:
                    for entry in batch.entries:
                        operation = progress.fold(operation, entry.stored)
                        sequence = entry.sequence
                        if operation.state in TERMINAL_OPERATIONS:
                            return accepted.model_copy(update={"operation": operation, "sequence": sequence})
        except TimeoutError:
            pass
        return accepted.model_copy(update={"operation": operation})

    async def deployment(self, group: str, deployment: str) -> DeploymentDetail:
        """Return all that there is to say about a deployment now; one that was deleted can be undeleted.

        Raises:
            DeploymentNotFoundError: there is none, or it was purged.
        """
        status, facts = await self._standing(group, deployment)
        kind = endings.ENDING.get(status.state)
        newest = next(iter(await self.rows.releases(group, deployment, limit=1)), None)
        seen = Seen(
            status=status,
            facts=facts,
            newest=newest,
            live=await self._live(status, newest),
            replicas=await self.rows.replicas_shown(group, deployment),
            versions=()
            if status.deleted is None
            else await self.rows.versions(group, deployment, limit=MOST_VERSIONS),
            unfinished=await self.rows.operations(
                groups=[group], deployment=deployment, states=_UNFINISHED, limit=MOST_UNFINISHED
            ),
            ending=None if kind is None else await self._newest(group, deployment, kind),
        )
        return detail(seen, self.addresses(status), now=datetime.now(UTC))

    async def aliases(self, group: str, deployment: str) -> Sequence[Alias]:
        """Return every alias of a deployment, `live` first.

        Raises:
            DeploymentNotFoundError: there is none, or it was purged.
        """
        status, facts = await self._standing(group, deployment)
        parked = facts.desired.parked if facts.desired else ()
        numbers = {share.release for route in parked for share in route.shares}
        rows = (
            await self.rows.releases(group, deployment, numbers=numbers, limit=len(numbers))
            if numbers
            else ()
        )
        return aliases_of(facts.desired, self.addresses(status), rows)

    async def alias(self, group: str, deployment: str, alias: str) -> Alias:
        """Return one alias of a deployment.

        Raises:
            DeploymentNotFoundError: there is no deployment, or it was purged.
            AliasNotFoundError: it has no such alias.
        """
        found = await self.aliases(group, deployment)
        shown = next((each for each in found if each.alias == alias), None)
        if shown is None:
            raise lifecycle_refusals.alias_not_found(group, deployment, alias)
        return shown

    async def access(self, group: str, deployment: str) -> AccessDetail:
        """Return who may call the endpoints.

        Raises:
            DeploymentNotFoundError: there is none, or it was purged.
        """
        status, _facts = await self._standing(group, deployment)
        access = status.settings.access
        live = await self._live(status, None)
        return AccessDetail(
            mode=access.mode,
            users=[BasicAccount.model_validate(user) for user in access.users],
            keys=list(access.keys),
            call_example=call_example(access, self.addresses(status), live.version if live else None),
        )

    def addresses(self, status: Status) -> Addresses:
        """Return where a deployment is called."""
        return Addresses(gateway=self._gateway_url, group=status.group, name=status.name or status.id)

    async def _standing(self, group: str, deployment: str) -> tuple[Status, DeploymentFacts]:
        status = await self.rows.deployment(group, deployment)
        facts = await self.rows.facts(group, deployment)
        if status is None or facts is None or status.state is DeploymentState.PURGED:
            raise refusals.deployment_not_found(group, deployment, deleted=False)
        return status, facts

    async def _newest(self, group: str, deployment: str, kind: str) -> OperationRow | None:
        found = await self.rows.operations(groups=[group], deployment=deployment, kinds=[kind], limit=1)
        return next(iter(found), None)

    async def _live(self, status: Status, newest: ReleaseHistory | None) -> ReleaseHistory | None:
        if status.live_release is None or (newest is not None and newest.number == status.live_release):
            return newest if status.live_release is not None else None
        return await self.rows.release(status.group, status.id, status.live_release)
