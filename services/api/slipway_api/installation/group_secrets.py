"""Secrets of groups: sealed, stored as versions, listed by name. No value is ever logged or answered."""

from datetime import timedelta
from typing import Final

from pydantic import SecretStr
from slipway_chassis.errors import ConflictError
from slipway_chassis.event_log import EventLog, Expect
from slipway_chassis.secrets import Recipients, Secrets
from slipway_contracts import subjects
from slipway_contracts.installation_events import SecretConfigured
from slipway_contracts.size import SecretRef
from slipway_store.queries import Reads

from slipway_api.answers.installation_views import SecretView
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.installation.registers import SecretKnown
from slipway_api.refusing import problems, refusals

_ATTEMPTS: Final = 100


class GroupSecrets:
    """Sets, lists and removes secrets.

    Args:
        log: says which versions there are.
        configuring: puts that into the log.
        directory: knows them.
        secrets: the sealed versions.
        recipients: who may open them; None: nobody, so none can be set.
        reads: the projection, which knows which releases refer to them.
        patience: longest wait for the projection.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        configuring: Configuring,
        directory: Directory,
        secrets: Secrets,
        recipients: Recipients | None,
        reads: Reads,
        patience: timedelta,
    ) -> None:
        self._log = log
        self._configuring = configuring
        self._directory = directory
        self._secrets = secrets
        self._recipients = recipients
        self._reads = reads
        self._patience = patience

    async def put(self, group: str, name: str, value: SecretStr, *, by: str) -> SecretView:
        """Make the next version of a secret; several at once get different ones.

        Raises:
            SecretsUnavailableError: this installation has no keys to seal with.
            ChangedMeanwhileError: others set or removed it first, each time it was tried.
        """
        sealed = self._sealed(value)
        version = await self._newest(group, name) + 1
        for _ in range(_ATTEMPTS):
            ref = SecretRef(secret=name, version=version)
            try:
                await self._secrets.put(group, ref, sealed)
            except ConflictError:
                version = max(version, await self._newest(group, name)) + 1
                continue
            await self._configuring.publish(
                SecretConfigured(group=group, secret=name, version=version, by=by)
            )
            # A removal may have taken it away before it was announced.
            if await self._secrets.get(group, ref) is not None:
                return _shown(self._known(group, name), version)
            version += 1
        raise _changed(group, name)

    def all(self, group: str) -> list[SecretView]:
        """Return the secrets of a group by name."""
        return [_shown(known) for known in self._directory.secrets.of(group)]

    async def remove(self, group: str, name: str, *, by: str, force: bool) -> None:
        """Remove all versions of a secret; replicas that have it keep it until they end.

        Raises:
            SecretNotFoundError: there is none.
            SecretInUseError: kept releases refer to it, and it is not forced.
            ProjectionBehindError: whether they do could not be said in time.
        """
        await self._newest(group, name)
        known = self._known(group, name)
        if not force:
            await self._require_unused(group, name)
        for _ in range(_ATTEMPTS):
            subject = subjects.group_events(group, "secret")
            last = await self._log.last(subject)
            await self._directory.current(subject)
            await self._secrets.remove(group, name)
            known = self._known(group, name)
            gone = SecretConfigured(group=group, secret=name, version=known.version, removed=True, by=by)
            try:
                await self._configuring.publish(gone, expect=Expect(sequence=last.sequence if last else 0))
            except ConflictError:
                continue
            return
        raise _changed(group, name)

    async def _require_unused(self, group: str, name: str) -> None:
        end = await self._log.end()
        if not await self._reads.wait_for(end, self._patience):
            raise refusals.projection_behind(end, self._patience)
        users = await self._reads.users_of_secret(group, name)
        if users:
            raise problems.SecretInUseError(
                f"Releases that are kept refer to secret {name} of group {group}: of {', '.join(users)}.",
                hint="Release them without it, or remove it all the same with ?force=true: replicas that "
                "are started later fail then.",
                group=group,
                secret=name,
                deployments=users,
            )

    async def _newest(self, group: str, name: str) -> int:
        await self._directory.current(subjects.group_events(group, "secret"))
        known = self._directory.secrets.find(group, name)
        return known.version if known else 0

    def _known(self, group: str, name: str) -> SecretKnown:
        known = self._directory.secrets.find(group, name)
        if known is None or not known.exists:
            raise refusals.secret_not_found(group, name)
        return known

    def _sealed(self, value: SecretStr) -> bytes:
        if self._recipients is None:
            raise problems.SecretsUnavailableError(
                "This installation has no keys to seal secrets with, so none can be set.",
                hint="Ask the operator to name the deployer's public key in SLIPWAY_SECRET_KEYS of the api, "
                "and its private one in SLIPWAY_SECRET_KEY_FILE of the deployer; a standalone installation "
                "makes them at `slipway up`.",
            )
        return self._recipients.seal(value.get_secret_value())


def _shown(known: SecretKnown, version: int | None = None) -> SecretView:
    return SecretView(
        name=known.name,
        version=known.version if version is None else version,
        created_at=known.created_at,
        changed_at=known.changed_at,
        changed_by=known.changed_by,
    )


def _changed(group: str, name: str) -> problems.ChangedMeanwhileError:
    return problems.ChangedMeanwhileError(
        f"Others changed the secrets of group {group} first, {_ATTEMPTS} times in a row.",
        hint=f"Look at GET /v1/groups/{group}/secrets, then try again.",
        attempts=_ATTEMPTS,
        secret=name,
    )
