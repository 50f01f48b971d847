"""API keys: made, listed, revoked. The log keeps a digest; the key itself is shown once and kept nowhere."""

from slipway_contracts.installation_events import KeyConfigured

from slipway_api.answers.views import Key, NewKey
from slipway_api.bodies.requests import KeyBody
from slipway_api.identity import access
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.refusing import problems


class Keys:
    """Configures keys.

    Args:
        configuring: puts them into the log.
        directory: knows them.
    """

    def __init__(self, *, configuring: Configuring, directory: Directory) -> None:
        self._configuring = configuring
        self._directory = directory

    async def create(self, body: KeyBody) -> NewKey:
        """Make a key; it works when this returns. A repeat makes another one."""
        secret = access.new_key()
        digest = access.api_key_digest(secret)
        grants = tuple(grant.grant() for grant in body.grants)
        key = KeyConfigured(key=access.key_id(digest), digest=digest, user=body.user, grants=grants)
        sequence = await self._configuring.publish(key)
        return NewKey(id=key.key, user=key.user, grants=list(grants), secret=secret, sequence=sequence)

    async def revoke(self, identifier: str) -> None:
        """Let a key open nothing any more, from the return of this on.

        Raises:
            KeyNotFoundError: there is no such key, or it is revoked already.
        """
        key = next((each for each in self._directory.valid_keys() if each.key == identifier), None)
        if key is None:
            raise problems.KeyNotFoundError(
                f"There is no key {identifier}, or it was revoked before.",
                hint="List them with GET /v1/keys.",
                key=identifier,
            )
        await self._configuring.publish(key.model_copy(update={"revoked": True}))

    def all(self) -> list[Key]:
        """Return all keys that open something."""
        return [
            Key(id=key.key, user=key.user, grants=list(key.grants)) for key in self._directory.valid_keys()
        ]
