"""What a change of what runs begins from."""

import asyncio
from dataclasses import dataclass

from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.commands import Delete, Purge, ReleaseCommand
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import LIVE_ALIAS, ReleaseRequest
from slipway_contracts.version import Version

from slipway_api.commands import weights
from slipway_api.installation.configurations import Configurations
from slipway_api.reading.archive import Archive
from slipway_api.refusing import problems
from slipway_api.refusing.calling import path_of, spoken
from slipway_api.submitting.standing import Standing

_ASKS = ("deploy", "redeploy", "start", "delete", "purge")


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A version, or the build that will make it, and its configuration; `number`: of their release."""

    number: int | None
    version: Version | None
    build: str | None
    config: ReleaseConfig


class Baselines:
    """Finds what a change begins from.

    Args:
        log: the log.
        archive: knows what ran before.
        configurations: waits for the projection.
    """

    def __init__(self, *, log: EventLog, archive: Archive, configurations: Configurations) -> None:
        self._log = log
        self._archive = archive
        self._configurations = configurations

    async def of(self, standing: Standing, alias: str, *, last_command: int) -> Baseline:
        """Return what serves the alias, or did when the deployment was stopped; else what serves `live`.

        Where nothing does, it is the newest release that was live, else what the newest command asked for.

        Raises:
            NothingToRunError: no command ever asked for a release.
            ReleaseNotRestorableError: what served cannot run again.
            ProjectionBehindError: it could not be said in time.
        """
        for name in dict.fromkeys((alias, LIVE_ALIAS)):
            number = serving(standing, name)
            if number is not None:
                return await self.release(standing, number)
        await self._configurations.catch_up(last_command)
        if row := await self._archive.newest_live(standing.group, standing.deployment):
            return Baseline(number=row.number, version=row.version, build=None, config=row.config)
        return await self._asked(standing)

    async def release(self, standing: Standing, number: int) -> Baseline:
        """Return what this release runs.

        Raises:
            ReleaseNotFoundError: there is none.
            ReleaseNotRestorableError: it cannot run again.
        """
        kept = standing.kept(number)
        if kept is not None and kept.version is not None:
            return Baseline(number=number, version=kept.version, build=None, config=kept.config)
        copy = await self._archive.copyable(standing.group, standing.deployment, number)
        return Baseline(number=number, version=copy.version, build=None, config=copy.config)

    async def _asked(self, standing: Standing) -> Baseline:
        request = await self._newest_request(standing.group, standing.deployment)
        if request is None:
            raise nothing_to_run(standing.group, standing.deployment)
        version = request.version
        if request.build is not None:
            version = await self._archive.built(standing.group, standing.deployment, request.build)
        return Baseline(
            number=None, version=version, build=None if version else request.build, config=request.config
        )

    async def _newest_request(self, group: str, deployment: str) -> ReleaseRequest | None:
        lane = subjects.deployer_commands(group, deployment).removesuffix(">")
        found = await asyncio.gather(*(self._log.last(lane + verb) for verb in _ASKS))
        commands = sorted((each for each in found if each), key=lambda stored: -stored.sequence)
        for stored in commands:
            command = stored.readable
            if isinstance(command, Delete | Purge):
                return None  # the rest is of the deployment that had this id before
            if isinstance(command, ReleaseCommand):
                return command.request
        return None


def serving(standing: Standing, alias: str) -> int | None:
    """Return the release with the largest part of an alias: of what serves now, or of what was parked."""
    if standing.desired is not None and (now := standing.desired.serving(alias)):
        return now[0].number
    return weights.heaviest(standing.shares_of(alias))


def nothing_to_run(group: str, deployment: str) -> problems.NothingToRunError:
    """Return the refusal to run again what never ran."""
    return problems.NothingToRunError(
        f"{spoken(group, deployment)} has no release that could be run again.",
        hint=f"Deploy a version: POST {path_of(group, deployment)}/deploy.",
    )
