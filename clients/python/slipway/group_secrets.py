"""The secrets of a group: set, listed, removed, and never read back."""

from collections.abc import AsyncIterator

from slipway.documents import Document
from slipway.exchange import Exchange
from slipway.installation_documents import Secret


class GroupSecrets:
    """The secrets of one group."""

    def __init__(self, api: Exchange) -> None:
        self._api = api

    def all(self) -> AsyncIterator[Secret]:
        """Yield the secrets with their newest versions, without their values."""
        return self._api.pages(Secret, self._api.path("secrets"))

    async def set(self, name: str, value: str) -> Secret:
        """Give a secret a new version; releases that exist keep the one they were made with."""
        return await self._api.configure(Secret, "PUT", self._api.path("secrets", name), {"value": value})

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a secret with all its versions; with force also one that releases refer to."""
        query = {"force": "true"} if force else {}
        await self._api.configure(Document, "DELETE", self._api.path("secrets", name), query=query)
