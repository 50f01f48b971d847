"""The webhooks of a group or of the installation: made, changed, rotated, removed; secrets are shown once."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from slipway.documents import Document
from slipway.exchange import Exchange
from slipway.webhook_documents import NewWebhook, Webhook, WebhookPing


class Webhooks:
    """The webhooks of the client's group, or those of the installation, which get the events of all groups.

    Args:
        api: asks.
        installation: whether it is about those of the installation.
    """

    def __init__(self, api: Exchange, *, installation: bool = False) -> None:
        self._api = api
        self._installation = installation

    def all(self) -> AsyncIterator[Webhook]:
        """Yield the webhooks, in the order of their creation."""
        return self._api.pages(Webhook, self._path())

    async def get(self, webhook: str) -> Webhook:
        """Return a webhook and how far it is."""
        return await self._api.get(Webhook, self._path(webhook))

    async def create(self, body: Mapping[str, Any]) -> NewWebhook:
        """Make a webhook; the answer has its `secret`, and nothing has it later."""
        return await self._api.configure(NewWebhook, "POST", self._path(), body)

    async def change(self, webhook: str, changes: Mapping[str, Any]) -> Webhook:
        """Change what is named; one that waits or was given up is tried at once."""
        return await self._api.configure(Webhook, "PATCH", self._path(webhook), changes)

    async def rotate(self, webhook: str, *, grace_seconds: int | None = None) -> NewWebhook:
        """Give it a new secret, which the answer has; both sign until the grace time is over."""
        body = {} if grace_seconds is None else {"grace_seconds": grace_seconds}
        return await self._api.configure(NewWebhook, "POST", self._path(webhook, "rotate"), body)

    async def ping(self, webhook: str) -> WebhookPing:
        """Let a signed test event be sent at once, and return what came of it."""
        return await self._api.configure(WebhookPing, "POST", self._path(webhook, "ping"))

    async def remove(self, webhook: str) -> None:
        """Send nothing to it any more."""
        await self._api.configure(Document, "DELETE", self._path(webhook))

    def _path(self, *parts: str) -> str:
        path = self._api.root if self._installation else self._api.path
        return path("webhooks", *parts)
