"""Messages that a service gave up: what they were, what became of them, and what can be done about them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from slipway.documents import Document
from slipway.exchange import Exchange
from slipway.mutation import Mutation


class DeadMessage(Document):
    """A message that a service gave up; it stays in the log."""

    sequence: int
    group: str
    deployment: str
    service: str
    message_id: str
    message_type: str
    deliveries: int
    error: str
    at: datetime
    state: str
    operation: str | None = None
    settled_by: str | None = None
    settled_at: datetime | None = None


class DeadMessageDetail(DeadMessage):
    """A message that a service gave up, as it lies in the log."""

    subject: str
    headers: dict[str, str]
    body: Any
    problem: str | None = None
    retriable: bool
    instead: str | None = None


class DeadMessages:
    """The dead messages of a group; one that is named by its sequence may be of another."""

    def __init__(self, api: Exchange, *, group: str) -> None:
        self._api = api
        self._group = group

    def all(
        self, *, deployment: str | None = None, state: str | None = None, limit: int | None = None
    ) -> AsyncIterator[DeadMessage]:
        """Yield them, the last given up first; `state`: `open`, `retried` or `discarded`."""
        given = {"group": self._group, "deployment": deployment, "state": state}
        query = [(name, value) for name, value in given.items() if value]
        return self._api.pages(DeadMessage, self._api.root("dead"), limit, query)

    async def get(self, sequence: int) -> DeadMessageDetail:
        """Return one with its envelope and its body."""
        return await self._api.get(DeadMessageDetail, self._api.root("dead", str(sequence)))

    def retry(self, sequence: int) -> Mutation:
        """Ask anew for what a dead command asked for."""
        return self._api.command("POST", self._api.root("dead", str(sequence), "retry"))

    async def discard(self, sequence: int) -> DeadMessage:
        """Say that it needs no attention any more."""
        return await self._api.configure(
            DeadMessage, "POST", self._api.root("dead", str(sequence), "discard")
        )
