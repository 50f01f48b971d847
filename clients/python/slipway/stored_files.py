"""The artifacts of a group: stored files, those found in storage, and those hidden."""

from collections.abc import AsyncIterator

from slipway.exchange import Exchange
from slipway.installation_documents import Artifact, FoundFile
from slipway.mutation import Mutation


class StoredFiles:
    """The artifacts of one group."""

    def __init__(self, api: Exchange) -> None:
        self._api = api

    def all(self, *, hidden: bool = False) -> AsyncIterator[Artifact]:
        """Yield the artifacts that are not hidden, or those that are."""
        query = [("hidden", "true")] if hidden else []
        return self._api.pages(Artifact, self._api.path("artifacts"), query=query)

    def found(self) -> AsyncIterator[FoundFile]:
        """Yield the files that were placed in storage by hand and belong to no artifact yet."""
        return self._api.pages(FoundFile, self._api.path("artifacts", "found"))

    async def adopt(self, path: str) -> Artifact:
        """Make a found file an artifact."""
        return await self._api.configure(Artifact, "POST", self._adoption(), {"path": path, "as": "artifact"})

    def adopt_version(self, path: str, *, deployment: str, label: str | None = None) -> Mutation:
        """Make a found source an artifact, and build it to a version of a deployment."""
        body = {"path": path, "as": "version", "deployment": deployment}
        return self._api.command("POST", self._adoption(), body | ({"label": label} if label else {}))

    async def hide(self, digest: str) -> Artifact:
        """Take an artifact out of lists and out of use; its bytes stay."""
        return await self._api.configure(Artifact, "POST", self._api.path("artifacts", digest, "hide"))

    async def unhide(self, digest: str) -> Artifact:
        """Bring a hidden artifact back."""
        return await self._api.configure(Artifact, "POST", self._api.path("artifacts", digest, "unhide"))

    def _adoption(self) -> str:
        return self._api.path("artifacts", "adopt")
