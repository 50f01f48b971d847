"""Deployments on their way out and back: stopped, canceled, deleted, undeleted, purged."""

from typing import Literal

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Cancel, Delete, Purge, Stop, Undelete
from slipway_contracts.lifecycle import Wanted

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.commands.command_members import command_members
from slipway_api.reading.archive import Archive
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import Standing, load_standing
from slipway_api.submitting.submissions import Decision, Submissions


class EndCommands:
    """Ends deployments.

    Args:
        submissions: publishes.
        archive: knows the versions.
        log: the log.
    """

    def __init__(self, *, submissions: Submissions, archive: Archive, log: EventLog) -> None:
        self._submissions = submissions
        self._archive = archive
        self._log = log

    async def stop(self, ask: Ask, group: str, deployment: str) -> Accepted | Plan:
        """Take a deployment off its route and end its replicas.

        Raises:
            NotRunningError: it is stopped already.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            command = Stop(**command_members(ask, group, deployment))
            return Decision(commands=(command,), standing=await self._planned(ask, group, deployment))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def cancel(self, ask: Ask, group: str, deployment: str) -> Accepted | Plan:
        """End the releases on their way; what served before goes on.

        Raises:
            NotRunningError: it is stopped, so nothing is on its way.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            command = Cancel(**command_members(ask, group, deployment))
            return Decision(commands=(command,), standing=await self._planned(ask, group, deployment))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def delete(
        self, ask: Ask, group: str, deployment: str, level: Literal["hide", "unload"]
    ) -> Accepted | Plan:
        """Stop a deployment and take it out of every list; `unload` removes the images too."""

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            versions = await self._archive.images(group, deployment) if level == "unload" else ()
            command = Delete(**command_members(ask, group, deployment), level=level, versions=versions)
            return Decision(commands=(command,), standing=await self._planned(ask, group, deployment))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def undelete(self, ask: Ask, group: str, deployment: str) -> Accepted | Plan:
        """Bring a deleted deployment back, stopped.

        Raises:
            DeploymentNotFoundError: there never was one, or it was purged.
            DeploymentPurgingError: it is being purged.
            NotDeletedError: it is not deleted.
        """

        async def decide(lane: Lane) -> Decision:
            if lane.asked is not Wanted.DELETED:
                refusals.require(lane, group, deployment)
                raise lifecycle_refusals.not_deleted(group, deployment)
            standing = await load_standing(self._log, group, deployment)
            names = (deployment, standing.settings.name or deployment)
            command = Undelete(**command_members(ask, group, deployment))
            return Decision(commands=(command,), claims=tuple(dict.fromkeys(names)), standing=standing)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def purge(self, ask: Ask, group: str, deployment: str) -> Accepted | Plan:
        """Delete a deployment for good, its images and history too; repeated, it begins that anew.

        Raises:
            DeploymentNotFoundError: there never was one, or it is purged already.
        """

        async def decide(lane: Lane) -> Decision:
            if lane.asked is not Wanted.DELETED and not lane.purging:
                refusals.require(lane, group, deployment)
            versions = await self._archive.images(group, deployment)
            command = Purge(**command_members(ask, group, deployment), versions=versions)
            return Decision(commands=(command,), standing=await self._planned(ask, group, deployment))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def _planned(self, ask: Ask, group: str, deployment: str) -> Standing | None:
        """Return what a plan compares with; a command that is carried out needs none of it."""
        return await load_standing(self._log, group, deployment) if ask.dry_run else None
