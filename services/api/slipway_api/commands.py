"""The mutations of the API: each resolves a request into complete commands and submits them.

Refuses what can be refused now; whether a command has its effect is decided by the service that takes it.
"""

from contextlib import suppress
from datetime import timedelta

from slipway_contracts.commands import (
    Build,
    Cancel,
    CancelBuild,
    Delete,
    Deploy,
    Redeploy,
    Start,
    Stop,
)
from slipway_contracts.envelope import now
from slipway_contracts.lifecycle import TERMINAL_BUILDS, Wanted
from slipway_contracts.release import ReleaseRequest
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads

from slipway_api import refusals
from slipway_api.configurations import Configurations
from slipway_api.idempotency import Ask
from slipway_api.lanes import Lane
from slipway_api.requests import BuildBody, CreateBody, DeployBody, RedeployBody
from slipway_api.submissions import Decision, Submissions, build_id
from slipway_api.views import Accepted, Plan

Answer = Accepted | Plan


class Commands:
    """What users can ask for.

    Args:
        submissions: publishes.
        configurations: resolves what is named.
        reads: the projection.
        build_timeout: from the acceptance of a build to its deadline.
    """

    def __init__(
        self,
        *,
        submissions: Submissions,
        configurations: Configurations,
        reads: Reads,
        build_timeout: timedelta,
    ) -> None:
        self._submissions = submissions
        self._configurations = configurations
        self._reads = reads
        self._build_timeout = build_timeout

    async def create(self, ask: Ask, group: str, body: CreateBody) -> Answer:
        """Make a deployment and its first release.

        Raises:
            DeploymentExistsError: there is one of this id; of many that race for an id, one wins.
        """

        async def decide(lane: Lane) -> Decision:
            if lane.exists:
                raise refusals.exists(group, body.id, lane)
            return await self._deploy(ask, group, body.id, body)

        return await self._submissions.to_deployer(ask, group, body.id, decide)

    async def deploy(self, ask: Ask, group: str, deployment: str, body: DeployBody) -> Answer:
        """Make a release of another version, or of a source that is built first."""

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            return await self._deploy(ask, group, deployment, body)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def redeploy(self, ask: Ask, group: str, deployment: str, body: RedeployBody) -> Answer:
        """Make a release like the one that was live last, but for what the body says."""

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            request = await self._configurations.baseline(group, deployment, last_command=lane.last)
            config = body.merged_into(request.config)
            version, build = request.version, request.build
            if body.version is not None:
                version, build = await self._configurations.version(group, deployment, body.version), None
            request = ReleaseRequest(version=version, build=build, config=config)
            notices = self._configurations.admit(config, request.version)
            command = _release(Redeploy, ask, group, deployment, request)
            return Decision(commands=(command,), request=request, notices=notices)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def start(self, ask: Ask, group: str, deployment: str) -> Answer:
        """Run a stopped deployment again, as it was.

        Raises:
            AlreadyRunningError: it is not stopped.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            if lane.asked is Wanted.RUNNING:
                raise refusals.already_running(group, deployment)
            request = await self._configurations.baseline(group, deployment, last_command=lane.last)
            notices = self._configurations.admit(request.config, request.version)
            command = _release(Start, ask, group, deployment, request)
            return Decision(commands=(command,), request=request, notices=notices)

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def stop(self, ask: Ask, group: str, deployment: str) -> Answer:
        """Take a deployment off its route and end its replicas.

        Raises:
            NotRunningError: it is stopped already.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            return Decision(commands=(_plain(Stop, ask, group, deployment),))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def cancel(self, ask: Ask, group: str, deployment: str) -> Answer:
        """End the release on its way; what served before goes on.

        Raises:
            NotRunningError: it is stopped, so nothing is on its way.
        """

        async def decide(lane: Lane) -> Decision:
            refusals.require_running(lane, group, deployment)
            return Decision(commands=(_plain(Cancel, ask, group, deployment),))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def delete(self, ask: Ask, group: str, deployment: str) -> Answer:
        """Stop a deployment and take it out of every list."""

        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            return Decision(commands=(_plain(Delete, ask, group, deployment),))

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    async def build(self, ask: Ask, group: str, deployment: str, body: BuildBody) -> Answer:
        """Make a version; the deployment need not exist."""
        await self._configurations.require_source(group, body.source)
        command = self._build(ask, group, deployment, body.source, body.label)
        return await self._submissions.to_builder(ask, command)

    async def cancel_build(self, ask: Ask, group: str, deployment: str, build: str) -> Answer:
        """End a build at once.

        Raises:
            BuildNotFoundError: there is none of this id, as far as Postgres can say.
            BuildEndedError: it has ended.
        """
        command = CancelBuild(
            group=group, deployment=deployment, by=ask.caller.user, request_digest=ask.digest, build=build
        )
        # Without Postgres the builder, which knows its builds, says in the operation what is the matter.
        with suppress(DatabaseUnavailableError):
            await self._require_unfinished_build(ask, group, deployment, build)
        return await self._submissions.to_builder(ask, command)

    async def _deploy(self, ask: Ask, group: str, deployment: str, body: DeployBody) -> Decision:
        config = body.config()
        if body.version is not None:
            version = await self._configurations.version(group, deployment, body.version)
            notices = self._configurations.admit(config, version)
            request = ReleaseRequest(version=version, config=config)
        else:
            notices = self._configurations.admit(config, None)
            request = ReleaseRequest(build=build_id(ask), config=config)
        command = _release(Deploy, ask, group, deployment, request)
        if body.source is None:
            return Decision(commands=(command,), request=request, notices=notices)
        await self._configurations.require_source(group, body.source)
        build = self._build(ask, group, deployment, body.source, body.label)
        return Decision(commands=(build, command), request=request, notices=notices)

    def _build(self, ask: Ask, group: str, deployment: str, source: str, label: str | None) -> Build:
        return Build(
            group=group,
            deployment=deployment,
            by=ask.caller.user,
            request_digest=ask.digest,
            source=source,
            label=label,
            deadline_at=now() + self._build_timeout,
        )

    async def _require_unfinished_build(self, ask: Ask, group: str, deployment: str, build: str) -> None:
        row = await self._reads.build(build)
        if row is None:
            await self._configurations.catch_up_to_end()
            row = await self._reads.build(build)
        if row is None or (row.group, row.deployment) != (group, deployment):
            raise refusals.build_not_found(group, deployment, build)
        if row.state in TERMINAL_BUILDS and not ask.repeatable:
            raise refusals.build_ended(row)


def _release(
    kind: type[Deploy | Redeploy | Start], ask: Ask, group: str, deployment: str, request: ReleaseRequest
) -> Deploy | Redeploy | Start:
    return kind(
        group=group,
        deployment=deployment,
        by=ask.caller.user,
        request_digest=ask.digest,
        request=request,
    )


def _plain(
    kind: type[Stop | Delete | Cancel], ask: Ask, group: str, deployment: str
) -> Stop | Delete | Cancel:
    return kind(group=group, deployment=deployment, by=ask.caller.user, request_digest=ask.digest)
