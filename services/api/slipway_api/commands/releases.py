"""Releases as they are asked for: whole ones, changed ones, earlier ones again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Deploy, Redeploy
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import FULL_WEIGHT, LIVE_ALIAS, ReleaseRequest, TrafficShare
from slipway_contracts.version import Version

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.bodies.release_bodies import (
    CreateBody,
    DeployBody,
    RedeployBody,
    RestartBody,
    ScaleBody,
    UpdateBody,
)
from slipway_api.commands import weights
from slipway_api.commands.awakening import Awakening
from slipway_api.commands.baselines import Baseline, Baselines
from slipway_api.commands.builds import BuildCommands
from slipway_api.commands.command_members import command_members
from slipway_api.commands.namespace import Namespace
from slipway_api.commands.resolution import Resolution
from slipway_api.installation.configurations import Configurations
from slipway_api.reading.archive import Archive
from slipway_api.refusing import refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import Standing, load_standing
from slipway_api.submitting.submissions import Decision, Submissions, build_id

Change = Callable[[ReleaseConfig], Awaitable[ReleaseConfig]]
Cause = Literal["redeploy", "restart", "scale", "update"]


class ReleaseCommands:
    """Asks for releases of versions, and for changes of what runs.

    Args:
        submissions: publishes.
        configurations: knows what targets can run.
        resolution: completes configurations.
        baselines: knows what changes begin from.
        archive: knows what ran before.
        namespace: knows the names that are taken.
        builds: makes the builds that come along.
        log: the log.
    """

    def __init__(
        self,
        *,
        submissions: Submissions,
        configurations: Configurations,
        resolution: Resolution,
        baselines: Baselines,
        archive: Archive,
        namespace: Namespace,
        builds: BuildCommands,
        log: EventLog,
    ) -> None:
        self._submissions = submissions
        self._configurations = configurations
        self._resolution = resolution
        self._baselines = baselines
        self._archive = archive
        self._awakening = Awakening(archive=archive)
        self._namespace = namespace
        self._builds = builds
        self._log = log

    async def create(self, ask: Ask, group: str, body: CreateBody) -> Accepted | Plan:
        """Make a deployment and its first release.

        Raises:
            DeploymentExistsError: there is one of this id; of many that race for an id, one wins.
        """

        async def decide(lane: Lane) -> Decision:
            if lane.exists:
                raise refusals.exists(group, body.id, lane)
            version = await self._version(group, body.id, body)
            decision = await self._deploy(ask, Standing(group=group, deployment=body.id), lane, body, version)
            *before, deploy = decision.commands
            settings = await self._begun(lane, group, body)
            begun = deploy.model_copy(update={"settings": settings})
            claims = tuple(dict.fromkeys((body.id, settings.name or body.id)))
            return replace(decision, commands=(*before, begun), claims=claims, standing=None)

        return await self._submissions.to_deployer(ask, group, body.id, decide)

    async def _begun(self, lane: Lane, group: str, body: CreateBody) -> DeploymentSettings:
        """Return the settings of a new deployment; one of a deleted id stays as closed as that was."""
        settings = body.settings.settings()
        if lane.asked is not Wanted.DELETED:
            return settings
        former = await load_standing(self._log, group, body.id)
        return settings.model_copy(update={"access": former.settings.access})

    async def deploy(self, ask: Ask, group: str, deployment: str, body: DeployBody) -> Accepted | Plan:
        """Make a release of another version, or of a source that is built first."""

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            standing, version = await asyncio.gather(
                load_standing(self._log, group, deployment, last_command=lane.last),
                self._version(group, deployment, body),
            )
            return await self._deploy(ask, standing, lane, body, version)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def redeploy(self, ask: Ask, group: str, deployment: str, body: RedeployBody) -> Accepted | Plan:
        """Make a release like the one that serves the alias, but for what the body says."""
        return await self._change(
            ask,
            (group, deployment, body.alias),
            "redeploy",
            lambda base: self._resolution.changed(group, base, body),
            version=body.version,
            weight=body.weight,
        )

    async def update(self, ask: Ask, group: str, deployment: str, body: UpdateBody) -> Accepted | Plan:
        """Make a release like the one that serves the alias, after a merge patch."""
        return await self._change(
            ask,
            (group, deployment, body.alias),
            "update",
            lambda base: self._resolution.patched(group, base, body),
            version=body.version,
            weight=body.weight,
        )

    async def restart(self, ask: Ask, group: str, deployment: str, body: RestartBody) -> Accepted | Plan:
        """Get new replicas of what serves the alias, as they were."""

        async def change(base: ReleaseConfig) -> ReleaseConfig:
            return base.model_copy(update={"restart": base.restart + 1, "description": body.description})

        return await self._change(ask, (group, deployment, body.alias), "restart", change)

    async def scale(self, ask: Ask, group: str, deployment: str, body: ScaleBody) -> Accepted | Plan:
        """Get more or fewer replicas of what serves the alias."""

        async def change(base: ReleaseConfig) -> ReleaseConfig:
            return base.model_copy(update={"replicas": body.replicas, "description": body.description})

        return await self._change(ask, (group, deployment, body.alias), "scale", change)

    async def _version(self, group: str, deployment: str, body: DeployBody) -> Version | None:
        return await self._archive.version(group, deployment, body.version) if body.version else None

    async def _deploy(
        self, ask: Ask, standing: Standing, lane: Lane, body: DeployBody, version: Version | None
    ) -> Decision:
        group, deployment = standing.group, standing.deployment
        config = await self._resolution.whole(group, body)
        shares = standing.shares_of(body.alias)
        request = ReleaseRequest(
            version=version,
            build=None if version else build_id(ask),
            config=config,
            alias=body.alias,
            **await self._parts(standing, body.weight, weights.beside(shares, body.weight), shares),
        )
        decision = await self._admitted(standing, request)
        awakened = await self._awakening.of(standing, lane, body.alias)
        command = Deploy(**command_members(ask, group, deployment), **awakened, request=request)
        if body.source is None:
            return replace(decision, commands=(command,))
        build = await self._builds.part(ask, standing, body.source, body.label)
        return replace(decision, commands=(build, command))

    async def _change(
        self,
        ask: Ask,
        where: tuple[str, str, str],
        cause: Cause,
        change: Change,
        *,
        version: str | None = None,
        weight: int | None = None,
    ) -> Accepted | Plan:
        group, deployment, alias = where

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment, last_command=lane.last)
            base = await self._baselines.of(standing, alias, last_command=lane.last)
            config = await change(base.config)
            other = await self._archive.version(group, deployment, version) if version else None
            request = await self._like(standing, base, config, alias=alias, version=other, weight=weight)
            decision = await self._admitted(standing, request)
            awakened = await self._awakening.of(standing, lane, alias)
            command = Redeploy(
                **command_members(ask, group, deployment), **awakened, request=request, cause=cause
            )
            return replace(decision, commands=(command,))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def _like(
        self,
        standing: Standing,
        base: Baseline,
        config: ReleaseConfig,
        *,
        alias: str,
        version: Version | None,
        weight: int | None,
    ) -> ReleaseRequest:
        shares = standing.shares_of(alias)
        if weight is None:
            weight, others = weights.in_place_of(shares, base.number)
        else:
            others = weights.beside(shares, weight)
        return ReleaseRequest(
            version=version or base.version,
            build=None if version else base.build,
            config=config,
            alias=alias,
            **await self._parts(standing, weight, others, shares),
        )

    async def _parts(
        self,
        standing: Standing,
        weight: int,
        others: tuple[TrafficShare, ...],
        shares: tuple[TrafficShare, ...],
    ) -> dict[str, object]:
        if weight < FULL_WEIGHT and not shares:
            raise refusals.nothing_beside(weight)
        return {
            "weight": weight,
            "beside": others,
            "restored": await self._archive.restored(standing, others),
        }

    async def _admitted(self, standing: Standing, request: ReleaseRequest) -> Decision:
        """Return the decision without its commands.

        Raises:
            ProblemError: a name is taken, or the target cannot run it.
        """
        if request.alias != LIVE_ALIAS:
            await self._namespace.require_alias(standing, request.alias)
        self._namespace.require_endpoints(standing, request.version, request.alias)
        notices = self._configurations.admit(request.config, request.version)
        return Decision(commands=(), request=request, notices=notices, standing=standing)
