"""What a command shall run: versions by label or id, the configuration to start from, and what a target can.

Reads the projection and waits for it where the log is known to hold more; publishes nothing.
"""

from datetime import timedelta
from typing import Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog, Stored
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage, UnknownMessageError
from slipway_contracts.commands import Delete, Deploy, Redeploy, Start
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.release import ReleaseConfig, ReleaseRequest
from slipway_contracts.version import Version
from slipway_store.queries import Reads
from slipway_store.rows import ReleaseRow

from slipway_api import problems, refusals
from slipway_api.directory import Directory

_WERE_LIVE: Final = (ReleaseState.LIVE, ReleaseState.DRAINING, ReleaseState.RETIRED)
_PAGE: Final = 20
HOST_BASE: Final = "host"


class Configurations:
    """Resolves what requests name.

    Args:
        log: the log.
        reads: the projection.
        blobs: where sources are uploaded to.
        directory: knows the targets.
        patience: longest wait for the projection.
    """

    def __init__(
        self, *, log: EventLog, reads: Reads, blobs: BlobStore, directory: Directory, patience: timedelta
    ) -> None:
        self._log = log
        self._reads = reads
        self._blobs = blobs
        self._directory = directory
        self._patience = patience

    async def version(self, group: str, deployment: str, ref: str) -> Version:
        """Return the version of this label or id.

        Raises:
            VersionNotFoundError: there is none, in all of the log.
            ProjectionBehindError: it could not be said in time.
        """
        row = await self._reads.version(group, deployment, ref)
        if row is None:
            await self.catch_up_to_end()
            row = await self._reads.version(group, deployment, ref)
        if row is None:
            raise refusals.version_not_found(group, deployment, ref)
        return row.body

    async def require_source(self, group: str, digest: str) -> None:
        """Refuse a source that nobody uploaded.

        Raises:
            SourceMissingError: it is not in the blob store.
        """
        if await self._blobs.exists(digest):
            return
        raise problems.SourceMissingError(
            f"There is no artifact {digest}.",
            hint=f"Upload it with PUT /v1/groups/{group}/artifacts/{digest}, then repeat this request.",
            source=digest,
        )

    async def baseline(self, group: str, deployment: str, *, last_command: int) -> ReleaseRequest:
        """Return what the newest release that was live runs, else what the newest readable command asked for.

        Raises:
            NothingToRunError: no command ever asked for a release.
            ProjectionBehindError: it could not be said in time.
        """
        await self.catch_up(last_command)
        commands = await self._log.last_per_subject(subjects.deployer_commands(group, deployment))
        deleted = next((each for each in commands if isinstance(_message(each), Delete)), None)
        if was_live := await self._newest_live(group, deployment, deleted):
            return ReleaseRequest(version=was_live.version, config=was_live.config)
        for stored in reversed(commands):
            if stored is deleted:
                break  # the rest is of the deployment that had this id before
            command = _message(stored)
            if isinstance(command, Deploy | Redeploy | Start):
                return await self._built(group, deployment, command.request)
        raise problems.NothingToRunError(
            f"{group}/{deployment} has no release that could be run again.",
            hint=f"Deploy a version: POST /v1/groups/{group}/deployments/{deployment}/deploy.",
        )

    async def catch_up(self, sequence: int) -> None:
        """Wait until the projection holds this message of the log.

        Raises:
            ProjectionBehindError: it does not in time.
        """
        if not await self._reads.wait_for(sequence, self._patience):
            raise refusals.projection_behind(sequence, self._patience)

    async def catch_up_to_end(self) -> None:
        """Wait until the projection holds what the log holds now.

        Raises:
            ProjectionBehindError: it does not in time.
        """
        await self.catch_up(await self._log.end())

    def admit(self, config: ReleaseConfig, version: Version | None) -> tuple[str, ...]:
        """Refuse what the target cannot run, and return what the user should know before.

        Raises:
            TargetNotFoundError: no monitor ever announced this target.
            VersionNotRunnableError: the target cannot run the version with this configuration.
        """
        target = self._directory.target(config.target)
        if target is None:
            known = [each.announced.target for each in self._directory.targets()]
            raise problems.TargetNotFoundError(
                f"There is no target {config.target}.",
                hint=f"Use one of: {', '.join(known)}." if known else "Start a monitor, which announces one.",
                target=config.target,
                targets=known,
            )
        notices = (f"No monitor watches target {config.target} now.",) if target.lost else ()
        if version is None:
            return notices
        check_runnable(version, config, engine=target.announced.engine)
        return (*notices, *version.notices)

    async def _newest_live(self, group: str, deployment: str, deleted: Stored | None) -> ReleaseRow | None:
        before: int | None = None
        while True:
            rows = await self._reads.releases(
                group, deployment, states=_WERE_LIVE, before=before, limit=_PAGE
            )
            for row in rows:
                if deleted is not None and row.created_at <= deleted.time:
                    return None  # of the deployment that had this id before
                if row.live_at is not None and row.version is not None:
                    return row
            if len(rows) < _PAGE:
                return None
            before = rows[-1].number

    async def _built(self, group: str, deployment: str, request: ReleaseRequest) -> ReleaseRequest:
        """Name the version instead of the build that made it, once that has ended."""
        if request.build is None:
            return request
        row = await self._reads.version(group, deployment, request.build)
        return request if row is None else ReleaseRequest(version=row.body, config=request.config)


def _message(stored: Stored) -> AnyMessage | None:
    """Return the message; None for one that cannot be read, which must not end every later command."""
    try:
        return stored.message
    except (UnknownMessageError, MalformedEnvelopeError):
        return None


def check_runnable(version: Version, config: ReleaseConfig, *, engine: str) -> None:
    """Refuse a version that an engine of this kind cannot run.

    Raises:
        VersionNotRunnableError: with what would help.
    """
    on_host = engine == "supervisor"
    if on_host != (version.base == HOST_BASE):
        raise problems.VersionNotRunnableError(
            f"Version {version.label} was built for base {version.base}; "
            f"target {config.target} is a {engine} and cannot run it.",
            hint="Build the source again for this target, or choose a target that fits.",
            version=version.label,
            base=version.base,
            target=config.target,
            engine=engine,
        )
    fixed = [each for each in version.endpoints if each.fixed_port is not None]
    if on_host and fixed and config.replicas > 1:
        raise problems.VersionNotRunnableError(
            f"Endpoint {fixed[0].name} insists on port {fixed[0].fixed_port}, "
            f"so target {config.target} can run 1 replica of it, not {config.replicas}.",
            hint="Let the server listen on $PORT, or ask for 1 replica.",
            endpoint=fixed[0].name,
            port=fixed[0].fixed_port,
            replicas=config.replicas,
            replicas_possible=1,
            target=config.target,
            engine=engine,
        )
