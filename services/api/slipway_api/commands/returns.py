"""Earlier releases as they are asked for again: rollback, and the start of a stopped deployment."""

from dataclasses import replace

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Redeploy, Start
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.traffic import (
    LIVE_ALIAS,
    AliasRoute,
    ReleaseRequest,
    TrafficShare,
)

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.bodies.release_bodies import RollbackBody
from slipway_api.commands import weights
from slipway_api.commands.awakening import Awakening
from slipway_api.commands.baselines import Baselines
from slipway_api.commands.command_members import command_members
from slipway_api.installation.configurations import Configurations
from slipway_api.reading.archive import Archive
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import Standing, load_standing
from slipway_api.submitting.submissions import Decision, Submissions


class ReturnCommands:
    """Asks for what ran before.

    Args:
        submissions: publishes.
        configurations: knows what targets can run.
        baselines: knows what ran last.
        archive: knows what ran before that.
        log: the log.
    """

    def __init__(
        self,
        *,
        submissions: Submissions,
        configurations: Configurations,
        baselines: Baselines,
        archive: Archive,
        log: EventLog,
    ) -> None:
        self._submissions = submissions
        self._configurations = configurations
        self._baselines = baselines
        self._archive = archive
        self._awakening = Awakening(archive=archive)
        self._log = log

    async def rollback(self, ask: Ask, group: str, deployment: str, body: RollbackBody) -> Accepted | Plan:
        """Make an exact copy of an earlier release and point the alias at it.

        A release that is named has the alias to itself. Where none is, the alias points where it did before,
        with the copy in the place of the release that had most. Other aliases stay, or come back as they were
        where the deployment is stopped.

        Raises:
            NoEarlierReleaseError: no other release served the alias before, and none is named.
            ReleaseNotFoundError: there is none of this number.
            ReleaseNotRestorableError: the images of its version were removed.
            VersionHiddenError: its version is hidden.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment)
            number, served = await self._aim(standing, body)
            copy = await self._archive.copyable(group, deployment, number)
            await self._archive.version(group, deployment, copy.version.id)
            weight, others = weights.in_place_of(served, number)
            description = f"rollback to {number}" if body.description is None else body.description
            request = ReleaseRequest(
                version=copy.version,
                config=copy.config.model_copy(update={"description": description}),
                alias=body.alias,
                weight=weight,
                beside=others,
                restored=await self._archive.restored(standing, others),
                copy_of=number,
            )
            command = Redeploy(
                **command_members(ask, group, deployment),
                **await self._awakening.of(standing, lane, body.alias),
                request=request,
                cause="rollback",
            )
            return replace(self._admitted(standing, request), commands=(command,))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def start(self, ask: Ask, group: str, deployment: str) -> Accepted | Plan:
        """Run a stopped deployment again, with every alias as it was.

        Raises:
            AlreadyRunningError: it is not stopped.
            NothingToRunError: no release ever ran or was asked for.
            ReleaseNotRestorableError: what ran cannot run again.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            if lane.asked is Wanted.RUNNING:
                raise refusals.already_running(group, deployment)
            standing = await load_standing(self._log, group, deployment)
            alias = _first(standing.routes)
            base = await self._baselines.of(standing, alias, last_command=lane.last)
            weight, others = weights.in_place_of(standing.shares_of(alias), base.number)
            request = ReleaseRequest(
                version=base.version,
                build=base.build,
                config=base.config,
                alias=alias,
                weight=weight,
                beside=others,
                restored=await self._archive.restored(standing, others),
            )
            command = Start(
                **command_members(ask, group, deployment),
                **await self._awakening.of(standing, lane, alias),
                request=request,
            )
            return replace(self._admitted(standing, request), commands=(command,))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def _aim(self, standing: Standing, body: RollbackBody) -> tuple[int, tuple[TrafficShare, ...]]:
        """Return the release to copy, and the parts of the alias; none: it is all for the copy."""
        if body.to is not None:
            return body.to, ()
        served = await self._before(standing, body.alias)
        number = weights.heaviest(served)
        if number is None:
            raise lifecycle_refusals.no_earlier_release(standing.group, standing.deployment, body.alias)
        return number, served

    async def _before(self, standing: Standing, alias: str) -> tuple[TrafficShare, ...]:
        """Return where the alias last pointed when it ran something else, or the same in other parts."""
        running = await self._runs(standing, standing.shares_of(alias))
        async for shares in self._archive.served(standing, alias):
            if await self._runs(standing, shares) != running:
                return shares
        return ()

    async def _runs(self, standing: Standing, shares: tuple[TrafficShare, ...]) -> dict[str, int]:
        """Return the parts of what runs: releases that are the same but for words count as one."""
        parts: dict[str, int] = {}
        for share in shares:
            base = await self._baselines.release(standing, share.release)
            config = base.config.model_copy(update={"description": "", "metadata": {}})
            content = f"{base.version.id if base.version else None} {config.model_dump_json()}"
            parts[content] = parts.get(content, 0) + share.weight
        return parts

    def _admitted(self, standing: Standing, request: ReleaseRequest) -> Decision:
        notices = self._configurations.admit(request.config, request.version)
        return Decision(commands=(), request=request, notices=notices, standing=standing)


def _first(routes: tuple[AliasRoute, ...]) -> str:
    """Return `live`, or else the alias of which one release has most."""
    if not routes or any(route.alias == LIVE_ALIAS for route in routes):
        return LIVE_ALIAS
    return max(routes, key=lambda route: (max(share.weight for share in route.shares), route.alias)).alias
