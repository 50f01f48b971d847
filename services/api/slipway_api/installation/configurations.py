"""What a configuration names, secrets, instance types, sources and targets, and what a target can run.

Reads the projection and waits for it where the log is known to hold more; publishes nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.installation_events import InstanceTypeConfigured
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import EnvironmentValue, SecretRef
from slipway_contracts.version import Version
from slipway_store.queries import Reads

from slipway_api.installation.directory import Directory
from slipway_api.installation.holdings import Holdings
from slipway_api.refusing import artifact_problems, problems, refusals

HOST_BASE: Final = "host"
RowT = TypeVar("RowT")


class NamesSecret(Protocol):
    """What names a group's secret: in a request perhaps without a version, in a release with one."""

    @property
    def secret(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> int | None:
        """None: the newest."""
        ...


class Configurations:
    """Resolves what requests name.

    Args:
        log: the log.
        reads: the projection.
        blobs: where sources are uploaded to.
        holdings: knows which of them a group has.
        directory: knows the targets.
        patience: longest wait for the projection.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        reads: Reads,
        blobs: BlobStore,
        holdings: Holdings,
        directory: Directory,
        patience: timedelta,
    ) -> None:
        self._log = log
        self._reads = reads
        self._blobs = blobs
        self._holdings = holdings
        self._directory = directory
        self._patience = patience

    async def resolve_environment(
        self, group: str, environment: Mapping[str, str | NamesSecret]
    ) -> Mapping[str, EnvironmentValue]:
        """Return the environment with the version of each secret; the newest where none is given.

        Raises:
            SecretNotFoundError: the group has no such secret, or no such version of it.
        """
        return {
            name: value if isinstance(value, str) else await self.secret(group, value)
            for name, value in environment.items()
        }

    async def secret(self, group: str, named: NamesSecret) -> SecretRef:
        """Return the version of a secret that is meant.

        Raises:
            SecretNotFoundError: the group has no such secret, or no such version of it.
        """
        await self._directory.current(subjects.group_events(group, "secret"))
        known = self._directory.secrets.find(group, named.secret)
        if known is None or not known.exists:
            raise refusals.secret_not_found(group, named.secret)
        version = known.version if named.version is None else named.version
        if not known.has(version):
            raise refusals.secret_not_found(group, named.secret, version=version, newest=known.version)
        return SecretRef(secret=named.secret, version=version)

    async def instance_type(self, name: str) -> InstanceTypeConfigured:
        """Return the instance type of this name, as the log has it now.

        Raises:
            InstanceTypeNotFoundError: there is none, or it was removed.
        """
        await self._directory.current(subjects.group_events(subjects.NONE, "instance-type"))
        known = self._directory.instance_type(name)
        if known is None:
            raise refusals.instance_type_not_found(name, self._directory.instance_types())
        return known

    async def require_source(self, group: str, digest: str) -> None:
        """Refuse a source that nobody uploaded to the group, or that the group hides.

        Raises:
            SourceMissingError: the group does not have it, or it is gone.
            ArtifactHiddenError: it is there, and not to be used.
            DatabaseUnavailableError: nobody told the log of it, and Postgres does not answer.
        """
        if self._directory.artifacts.is_hidden(group, digest):
            raise artifact_problems.ArtifactHiddenError(
                f"The artifact {digest} is hidden in group {group}.",
                hint=f"Show it again with POST /v1/groups/{group}/artifacts/{digest}/unhide, "
                "or use another one.",
                source=digest,
            )
        if await self._holdings.has(group, digest) and await self._blobs.exists(digest):
            return
        raise artifact_problems.SourceMissingError(
            f"Group {group} has no artifact {digest}.",
            hint=f"Upload it with PUT /v1/groups/{group}/artifacts/{digest}, then repeat this request.",
            source=digest,
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

    async def found(self, read: Callable[[], Awaitable[RowT | None]]) -> RowT | None:
        """Return what a read of the projection finds; None: there is none in all of the log.

        Raises:
            ProjectionBehindError: it could not be said in time.
        """
        row = await read()
        if row is None:
            await self.catch_up_to_end()
            row = await read()
        return row

    def admit(self, config: ReleaseConfig, version: Version | None) -> tuple[str, ...]:
        """Refuse what the target cannot run, and return what the user should know before.

        Raises:
            TargetNotFoundError: no monitor ever announced this target.
            VersionNotRunnableError: the target cannot run the version with this configuration.
        """
        target = self._directory.target(config.target)
        if target is None:
            raise refusals.target_not_found(config.target, self._directory.targets())
        notices = (f"No monitor watches target {config.target} now.",) if target.lost else ()
        if version is None:
            return notices
        check_runnable(version, config, engine=target.announced.engine)
        return (*notices, *version.notices)


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
