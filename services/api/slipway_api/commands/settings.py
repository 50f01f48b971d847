"""What is said about a deployment as a whole, and who may call it, as it is changed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError
from slipway_chassis.event_log import EventLog
from slipway_contracts.access import MOST_KEYS, MOST_USERS, Access, AccessMode, BasicUser, EndpointKey
from slipway_contracts.commands import Configure
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.envelope import new_id, now

from slipway_api.answers.lifecycle_views import NewBasicUser, NewEndpointKey
from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.bodies.settings_bodies import (
    AccessBody,
    BasicUserBody,
    EndpointKeyBody,
    RotateKeyBody,
    SettingsPatch,
)
from slipway_api.commands.command_members import command_members
from slipway_api.identity.endpoint_keys import EndpointKeys, htpasswd_digest, new_password
from slipway_api.refusing import lifecycle_refusals, refusals
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.standing import load_standing
from slipway_api.submitting.submissions import Decision, Submissions

_CLOSED_SHOWN: Final = 100
Change = Callable[[DeploymentSettings], DeploymentSettings]


class SettingsCommands:
    """Configures deployments: always with the full new value, without a release.

    Args:
        submissions: publishes.
        keys: signs.
        log: the log.
    """

    def __init__(self, *, submissions: Submissions, keys: EndpointKeys, log: EventLog) -> None:
        self._submissions = submissions
        self._keys = keys
        self._log = log

    async def patch(self, ask: Ask, group: str, deployment: str, body: SettingsPatch) -> Accepted | Plan:
        """Change name, description, metadata or deadlines.

        Raises:
            NameTakenError: another deployment of the group has the name.
            InvalidRequestError: the metadata together are too large.
        """

        def change(settings: DeploymentSettings) -> DeploymentSettings:
            try:
                return body.applied_to(settings)
            except ValidationError as error:
                raise refusals.broken_together(error) from error

        return await self._configure(ask, group, deployment, change)

    async def set_mode(self, ask: Ask, group: str, deployment: str, body: AccessBody) -> Accepted | Plan:
        """Say how callers of the endpoints show that they may."""

        def change(access: Access) -> Access:
            return access.model_copy(update={"mode": AccessMode(body.mode)})

        return await self._change_access(ask, group, deployment, change)

    async def add_user(
        self, ask: Ask, group: str, deployment: str, body: BasicUserBody
    ) -> NewBasicUser | Plan:
        """Make a user of basic authentication, and show the password, once.

        Raises:
            BasicUserExistsError: there is one of this name.
            InvalidRequestError: there are as many as there may be.
        """
        password = new_password()

        def change(access: Access) -> Access:
            if any(user.name == body.name for user in access.users):
                raise lifecycle_refusals.basic_user_exists(body.name)
            if len(access.users) >= MOST_USERS:
                raise lifecycle_refusals.access_full("users", MOST_USERS)
            user = BasicUser(name=body.name, password_sha1=htpasswd_digest(password), created_at=now())
            return access.model_copy(update={"users": (*access.users, user)})

        accepted = await self._change_access(_once(ask), group, deployment, change)
        if isinstance(accepted, Plan):
            return accepted
        return NewBasicUser(**dict(accepted), name=body.name, password=password)

    async def remove_user(self, ask: Ask, group: str, deployment: str, name: str) -> Accepted | Plan:
        """Let a user call nothing any more.

        Raises:
            BasicUserNotFoundError: there is none of this name.
        """

        def change(access: Access) -> Access:
            users = tuple(user for user in access.users if user.name != name)
            if len(users) == len(access.users):
                raise lifecycle_refusals.basic_user_not_found(name)
            return access.model_copy(update={"users": users})

        return await self._change_access(ask, group, deployment, change)

    async def add_key(
        self, ask: Ask, group: str, deployment: str, body: EndpointKeyBody
    ) -> NewEndpointKey | Plan:
        """Make a key of the endpoints, and show it, once.

        Raises:
            EndpointKeysUnavailableError: the installation cannot sign.
            InvalidRequestError: there are as many as there may be.
        """
        key = _key(ask, body.name, now(), body.expires_in_seconds)
        token = self._sign(group, deployment, key)

        def change(access: Access) -> Access:
            return access.model_copy(update={"keys": _with(access.keys, key)})

        accepted = await self._change_access(_once(ask), group, deployment, change)
        return accepted if isinstance(accepted, Plan) else _shown(accepted, key, token)

    async def rotate_key(
        self, ask: Ask, group: str, deployment: str, identifier: str, body: RotateKeyBody
    ) -> NewEndpointKey | Plan:
        """Make a key in the place of another one, which opens nothing any more once the grace has passed.

        Raises:
            EndpointKeyNotFoundError: there is none of this id, or it was revoked or has expired.
            EndpointKeyReplacedError: it is in its grace.
            EndpointKeysUnavailableError: the installation cannot sign.
        """
        at = now()
        made: list[EndpointKey] = []

        def change(access: Access) -> Access:
            old = _replaceable(access, identifier, at)
            key = _key(ask, old.name, at, body.expires_in_seconds or _lifetime(old))
            made[:] = [key]
            ended = _ended(old, at, body.grace_seconds).model_copy(update={"replaced_by": key.id})
            kept = (ended if each.id == identifier else each for each in access.keys)
            return access.model_copy(update={"keys": _with(tuple(kept), key)})

        self._keys.require()
        accepted = await self._change_access(_once(ask), group, deployment, change)
        if isinstance(accepted, Plan):
            return accepted
        return _shown(accepted, made[0], self._sign(group, deployment, made[0]))

    async def revoke_key(self, ask: Ask, group: str, deployment: str, identifier: str) -> Accepted | Plan:
        """Let a key open nothing any more.

        Raises:
            EndpointKeyNotFoundError: there is none of this id, or it was revoked.
        """

        def change(access: Access) -> Access:
            old = _find(access, identifier)
            kept = tuple(_off(old) if each.id == identifier else each for each in access.keys)
            return access.model_copy(update={"keys": kept})

        return await self._change_access(ask, group, deployment, change)

    async def _change_access(
        self, ask: Ask, group: str, deployment: str, change: Callable[[Access], Access]
    ) -> Accepted | Plan:
        def changed(settings: DeploymentSettings) -> DeploymentSettings:
            return settings.model_copy(update={"access": change(settings.access)})

        return await self._configure(ask, group, deployment, changed)

    async def _configure(self, ask: Ask, group: str, deployment: str, change: Change) -> Accepted | Plan:
        async def decide(lane: Lane) -> Decision:
            refusals.require(lane, group, deployment)
            standing = await load_standing(self._log, group, deployment)
            settings = change(standing.settings)
            renamed = settings.name not in (None, deployment, standing.settings.name)
            command = Configure(**command_members(ask, group, deployment), settings=settings)
            return Decision(
                commands=(command,),
                claims=(settings.name,) if renamed and settings.name else (),
                standing=standing,
            )

        return await self._submissions.to_deployer(ask, group, deployment, decide)

    def _sign(self, group: str, deployment: str, key: EndpointKey) -> str:
        return self._keys.sign(
            audience=f"{group}/{deployment}",
            identifier=key.id,
            at=key.created_at,
            expires_at=key.expires_at,
        )


def _once(ask: Ask) -> Ask:
    """Return the request as one that has no repeat: what its answer shows is kept nowhere."""
    return replace(ask, id=new_id(), repeatable=False)


def _key(ask: Ask, name: str, at: datetime, seconds: float | None) -> EndpointKey:
    expires_at = None if seconds is None else at + timedelta(seconds=seconds)
    return EndpointKey(
        id=new_id(), name=name, created_at=at, created_by=ask.caller.user, expires_at=expires_at
    )


def _lifetime(key: EndpointKey) -> float | None:
    """Return for how long a key opens from its making, in seconds; None: for ever."""
    return None if key.expires_at is None else (key.expires_at - key.created_at).total_seconds()


def _find(access: Access, identifier: str) -> EndpointKey:
    found = next((key for key in access.keys if key.id == identifier and not key.revoked), None)
    if found is None:
        raise lifecycle_refusals.endpoint_key_not_found(identifier)
    return found


def _replaceable(access: Access, identifier: str, at: datetime) -> EndpointKey:
    """Return the key in whose place another may come: one in its grace has its successor."""
    found = _find(access, identifier)
    if not found.opens_at(at):
        raise lifecycle_refusals.endpoint_key_not_found(identifier)
    if found.replaced_by is not None:
        raise lifecycle_refusals.endpoint_key_replaced(found, _newest(access, found, at))
    return found


def _newest(access: Access, key: EndpointKey, at: datetime) -> EndpointKey | None:
    """Return the last of the keys that came in the place of this one; None: it opens nothing any more."""
    known = {each.id: each for each in access.keys}
    newest: EndpointKey | None = key
    while newest is not None and newest.replaced_by is not None:
        newest = known.get(newest.replaced_by)
    return newest if newest is not None and newest.opens_at(at) else None


def _off(key: EndpointKey) -> EndpointKey:
    return key.model_copy(update={"revoked": True})


def _ended(key: EndpointKey, at: datetime, grace_seconds: float) -> EndpointKey:
    """Return a key that opens nothing from then on; it stays known, as its token says nothing of that."""
    if not grace_seconds:
        return _off(key)
    end = at + timedelta(seconds=grace_seconds)
    return key.model_copy(update={"expires_at": min(end, key.expires_at or end)})


def _with(keys: tuple[EndpointKey, ...], new: EndpointKey) -> tuple[EndpointKey, ...]:
    """Return the keys that open something, the newest of the others, and a new one.

    A gateway admits those that open something alone, so the others may be forgotten.

    Raises:
        InvalidRequestError: too many of them open something.
    """
    closed = [key.id for key in keys if not key.opens_at(new.created_at)]
    if len(keys) - len(closed) >= MOST_KEYS:
        raise lifecycle_refusals.access_full("keys", MOST_KEYS)
    forgotten = set(closed[:-_CLOSED_SHOWN])
    return (*(key for key in keys if key.id not in forgotten), new)


def _shown(accepted: Accepted, key: EndpointKey, token: str) -> NewEndpointKey:
    return NewEndpointKey(**dict(accepted), key=key, token=token)
