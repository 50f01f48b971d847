"""Builds as they are asked for and canceled."""

from contextlib import suppress
from datetime import timedelta

from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Build, CancelBuild
from slipway_contracts.envelope import now
from slipway_contracts.lifecycle import TERMINAL_BUILDS
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.bodies.requests import BuildBody
from slipway_api.commands.command_members import command_members
from slipway_api.commands.namespace import Namespace
from slipway_api.installation.configurations import Configurations
from slipway_api.refusing import refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.standing import Standing, load_standing
from slipway_api.submitting.submissions import Submissions


class BuildCommands:
    """Asks for builds.

    Args:
        submissions: publishes.
        configurations: knows the sources.
        log: the log.
        reads: the projection.
        timeout: from the acceptance of a build to its deadline.
    """

    def __init__(
        self,
        *,
        submissions: Submissions,
        configurations: Configurations,
        log: EventLog,
        reads: Reads,
        timeout: timedelta,
    ) -> None:
        self._submissions = submissions
        self._configurations = configurations
        self._log = log
        self._reads = reads
        self._timeout = timeout

    async def build(self, ask: Ask, group: str, deployment: str, body: BuildBody) -> Accepted | Plan:
        """Make a version; the deployment need not exist.

        Raises:
            SourceMissingError: nobody uploaded the source.
            NameClashError: the label is an alias or an endpoint.
        """
        if body.label is not None:
            Namespace.require_label(await load_standing(self._log, group, deployment), body.label)
        await self._configurations.require_source(group, body.source)
        return await self._submissions.to_builder(
            ask, self.command(ask, group, deployment, body.source, body.label)
        )

    async def part(self, ask: Ask, standing: Standing, source: str, label: str | None) -> Build:
        """Return the build that a deploy of a source brings along.

        Raises:
            SourceMissingError: nobody uploaded the source.
            NameClashError: the label is an alias or an endpoint.
        """
        Namespace.require_label(standing, label)
        await self._configurations.require_source(standing.group, source)
        return self.command(ask, standing.group, standing.deployment, source, label)

    async def cancel(self, ask: Ask, group: str, deployment: str, build: str) -> Accepted | Plan:
        """End a build at once.

        Raises:
            BuildNotFoundError: there is none of this id, as far as Postgres can say.
            BuildEndedError: it has ended.
        """
        # Without Postgres the builder, which knows its builds, says in the operation what is the matter.
        with suppress(DatabaseUnavailableError):
            await self._require_unfinished(ask, group, deployment, build)
        command = CancelBuild(**command_members(ask, group, deployment), build=build)
        return await self._submissions.to_builder(ask, command)

    def command(self, ask: Ask, group: str, deployment: str, source: str, label: str | None) -> Build:
        """Return the command, with its deadline."""
        return Build(
            **command_members(ask, group, deployment),
            source=source,
            label=label,
            deadline_at=now() + self._timeout,
        )

    async def _require_unfinished(self, ask: Ask, group: str, deployment: str, build: str) -> None:
        row = await self._configurations.found(lambda: self._reads.build(build))
        if row is None or (row.group, row.deployment) != (group, deployment):
            raise refusals.build_not_found(group, deployment, build)
        if row.state in TERMINAL_BUILDS and not ask.repeatable:
            raise refusals.build_ended(row)
