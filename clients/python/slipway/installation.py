"""What belongs to the installation: groups, instance types, targets and API keys."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from slipway.documents import Document
from slipway.exchange import Exchange
from slipway.installation_documents import ApiKey, AuditEntry, Gateway, Group, InstanceType, NewApiKey, Target
from slipway.mutation import Terms
from slipway.webhooks import Webhooks


class Installation:
    """What admins configure, and what all users may look at."""

    def __init__(self, api: Exchange) -> None:
        self.webhooks = Webhooks(api, installation=True)
        self._api = api

    def groups(self) -> AsyncIterator[Group]:
        """Yield the groups in which the key has a role."""
        return self._api.pages(Group, self._api.root("groups"))

    async def group(self, name: str) -> Group:
        """Return a group with its use and its quota."""
        return await self._api.get(Group, self._api.root("groups", name))

    async def set_group(self, name: str, body: Mapping[str, Any], *, if_match: str | None = None) -> Group:
        """Make a group, or give one its full new value; refused if it has changed since it had this ETag."""
        path, terms = self._api.root("groups", name), Terms(if_match=if_match)
        return await self._api.configure(Group, "PUT", path, body, terms=terms)

    def instance_types(self) -> AsyncIterator[InstanceType]:
        """Yield the instance types."""
        return self._api.pages(InstanceType, self._api.root("instance-types"))

    async def set_instance_type(self, name: str, body: Mapping[str, Any]) -> InstanceType:
        """Make an instance type, or give one its full new value; releases that name it keep the old one."""
        return await self._api.configure(InstanceType, "PUT", self._api.root("instance-types", name), body)

    async def remove_instance_type(self, name: str) -> None:
        """Take an instance type away; releases that name it keep their size."""
        await self._api.configure(Document, "DELETE", self._api.root("instance-types", name))

    def targets(self) -> AsyncIterator[Target]:
        """Yield the targets with their room and their health."""
        return self._api.pages(Target, self._api.root("targets"))

    def gateways(self) -> AsyncIterator[Gateway]:
        """Yield the gateways with what they have applied."""
        return self._api.pages(Gateway, self._api.root("gateways"))

    async def remove_gateway(self, name: str) -> None:
        """Let nothing wait any more for a gateway that is gone for good, with its Envoy."""
        await self._api.configure(Document, "DELETE", self._api.root("gateways", name))

    def api_keys(self) -> AsyncIterator[ApiKey]:
        """Yield the API keys that open something, without the keys themselves."""
        return self._api.pages(ApiKey, self._api.root("keys"))

    async def create_key(self, user: str, grants: Sequence[Mapping[str, str]]) -> NewApiKey:
        """Make an API key; the answer has it as `secret`, and nothing has it later."""
        body = {"user": user, "grants": list(grants)}
        return await self._api.configure(NewApiKey, "POST", self._api.root("keys"), body)

    def audit(self, wish: Mapping[str, str], *, limit: int | None = None) -> AsyncIterator[AuditEntry]:
        """Yield who did what, or tried to, newest first unless `order` is `oldest`; for admins.

        Args:
            wish: filters, as the API names them: `group`, `deployment`, `user`, `since`, `until`, `refused`,
                `from`, `order`.
            limit: at most so many.
        """
        return self._api.pages(AuditEntry, self._api.root("audit"), limit, tuple(wish.items()))

    async def revoke_key(self, key: str) -> None:
        """Let an API key open nothing any more."""
        await self._api.configure(Document, "DELETE", self._api.root("keys", key))
