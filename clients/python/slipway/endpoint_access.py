"""Who may call the endpoints of a deployment: its mode, its users and its keys."""

from slipway.exchange import Exchange
from slipway.installation_documents import Access
from slipway.mutation import Mutation


class EndpointAccess:
    """The access to the deployments of one group. Keys and passwords are in the answer that makes them."""

    def __init__(self, api: Exchange) -> None:
        self._api = api

    async def get(self, deployment: str) -> Access:
        """Return the mode, the users and the keys, without passwords and tokens."""
        return await self._api.get(Access, self._of(deployment))

    def set_mode(self, deployment: str, mode: str) -> Mutation:
        """Let callers in freely (`open`), with a password (`basic`), or with a key (`keys`)."""
        return self._api.command("PUT", self._of(deployment), {"mode": mode})

    def add_key(self, deployment: str, name: str, *, expires_in_seconds: float | None = None) -> Mutation:
        """Issue a key; the answer has it as `token`, and nothing has it later."""
        lasting = {} if expires_in_seconds is None else {"expires_in_seconds": expires_in_seconds}
        return self._api.command("POST", self._of(deployment, "keys"), {"name": name, **lasting})

    def rotate_key(
        self,
        deployment: str,
        key: str,
        *,
        expires_in_seconds: float | None = None,
        grace_seconds: float = 0.0,
    ) -> Mutation:
        """Issue a key in the place of another one, which opens for a grace time still."""
        lasting = {} if expires_in_seconds is None else {"expires_in_seconds": expires_in_seconds}
        body = {"grace_seconds": grace_seconds, **lasting}
        return self._api.command("POST", self._of(deployment, "keys", key, "rotate"), body)

    def revoke_key(self, deployment: str, key: str) -> Mutation:
        """Let a key open nothing any more."""
        return self._api.command("DELETE", self._of(deployment, "keys", key))

    def add_user(self, deployment: str, name: str) -> Mutation:
        """Make a user; the answer has the generated `password`, and nothing has it later."""
        return self._api.command("POST", self._of(deployment, "users"), {"name": name})

    def remove_user(self, deployment: str, name: str) -> Mutation:
        """Take a user away."""
        return self._api.command("DELETE", self._of(deployment, "users", name))

    def _of(self, deployment: str, *parts: str) -> str:
        return self._api.path("deployments", deployment, "access", *parts)
