"""Aliases and pins as they are set and taken away."""

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Pin, RemoveAlias, SetAlias
from slipway_contracts.traffic import FULL_WEIGHT, LIVE_ALIAS, TrafficShare

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.bodies.settings_bodies import AliasBody
from slipway_api.commands.command_members import command_members
from slipway_api.commands.namespace import Namespace
from slipway_api.reading.archive import Archive
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import Standing, load_standing
from slipway_api.submitting.submissions import Decision, Submissions


class AliasCommands:
    """Says where aliases point, and which releases stay.

    Args:
        submissions: publishes.
        archive: knows what ran before.
        namespace: knows the names that are taken.
        log: the log.
    """

    def __init__(
        self, *, submissions: Submissions, archive: Archive, namespace: Namespace, log: EventLog
    ) -> None:
        self._submissions = submissions
        self._archive = archive
        self._namespace = namespace
        self._log = log

    async def put(
        self, ask: Ask, group: str, deployment: str, alias: str, body: AliasBody
    ) -> Accepted | Plan:
        """Let an alias point at releases; those that do not run are started first.

        Raises:
            NotRunningError: the deployment is stopped.
            NameClashError: the alias is a label or an endpoint.
            ReleaseNotFoundError: a release does not exist, or none of the version was ready.
            ReleaseNotRestorableError: a release does not run and cannot.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment)
            await self._namespace.require_alias(standing, alias)
            shares = body.traffic() or await self._of_version(standing, body.version or "")
            command = SetAlias(
                **command_members(ask, group, deployment),
                alias=alias,
                shares=shares,
                restored=await self._archive.restored(standing, shares),
            )
            return Decision(commands=(command,), standing=standing)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def remove(self, ask: Ask, group: str, deployment: str, alias: str) -> Accepted | Plan:
        """Take an alias away; releases that nothing else names end.

        Raises:
            AliasReservedError: it is `live`.
            AliasNotFoundError: there is none of this name.
            NotRunningError: the deployment is stopped.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            if alias == LIVE_ALIAS:
                raise lifecycle_refusals.alias_reserved(group, deployment, alias)
            standing = await load_standing(self._log, group, deployment)
            if alias not in standing.aliases:
                raise lifecycle_refusals.alias_not_found(group, deployment, alias)
            command = RemoveAlias(**command_members(ask, group, deployment), alias=alias)
            return Decision(commands=(command,), standing=standing)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def pin(self, ask: Ask, group: str, deployment: str, number: int) -> Accepted | Plan:
        """Keep a release running although no alias names it.

        Raises:
            NotRunningError: the deployment is stopped.
            ReleaseNotFoundError: it does not exist.
            ReleaseNotRestorableError: it does not run and cannot.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment)
            share = TrafficShare(release=number, weight=FULL_WEIGHT)
            restored = next(iter(await self._archive.restored(standing, (share,))), None)
            command = Pin(
                **command_members(ask, group, deployment), release=number, pinned=True, restored=restored
            )
            return Decision(commands=(command,), standing=standing)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def unpin(self, ask: Ask, group: str, deployment: str, number: int) -> Accepted | Plan:
        """Let a release end once no alias names it.

        Raises:
            NotRunningError: the deployment is stopped.
            NotPinnedError: it is not pinned.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment)
            if number not in standing.pins:
                raise lifecycle_refusals.not_pinned(number)
            command = Pin(**command_members(ask, group, deployment), release=number, pinned=False)
            return Decision(commands=(command,), standing=standing)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def _of_version(self, standing: Standing, ref: str) -> tuple[TrafficShare, ...]:
        version = await self._archive.version(standing.group, standing.deployment, ref)
        await self._archive.catch_up()
        number = await self._archive.newest_ready(standing.group, standing.deployment, version.id)
        if number is None:
            raise lifecycle_refusals.version_never_ran(standing.group, standing.deployment, version)
        return (TrafficShare(release=number, weight=FULL_WEIGHT),)
