"""A client of the api's event stream that collects what comes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from eventually import eventually


@dataclass(frozen=True, kw_only=True)
class Sse:
    """One message of an event stream; `comment`: it had a comment."""

    id: str
    event: str
    data: str
    comment: bool

    @property
    def document(self) -> Any:
        return json.loads(self.data)


async def sse(answer: httpx.Response) -> AsyncGenerator[Sse]:
    """Read the messages of an event stream, those without data too."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
            continue
        yield Sse(
            id=fields.get("id", ""),
            event=fields.get("event", ""),
            data=fields.get("data", ""),
            comment="comment" in fields,
        )
        fields = {}


@dataclass(kw_only=True)
class Subscriber:
    """A client of the event stream that collects what comes."""

    messages: list[Sse] = field(default_factory=list)
    ended: bool = False

    @property
    def events(self) -> list[Sse]:
        return [message for message in self.messages if message.data]

    @property
    def ids(self) -> list[int]:
        return [int(message.id) for message in self.events]

    @property
    def types(self) -> list[str]:
        return [message.event for message in self.events]


@asynccontextmanager
async def subscribed(
    client: httpx.AsyncClient,
    path: str = "/v1/events",
    *,
    query: Mapping[str, Any] | None = None,
    last_event_id: int | None = None,
) -> AsyncGenerator[Subscriber]:
    """Follow an event stream during the body; begins when the server says that it is connected."""
    headers = {"Accept": "text/event-stream"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    subscriber = Subscriber()
    async with client.stream("GET", path, params=dict(query or {}), headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def collect() -> None:
            async for message in sse(answer):
                subscriber.messages.append(message)
            subscriber.ended = True

        collecting = asyncio.create_task(collect())
        try:
            if path == "/v1/events":
                await eventually(lambda: any(message.comment for message in subscriber.messages))
            yield subscriber
        finally:
            collecting.cancel()
            with suppress(asyncio.CancelledError, httpx.HTTPError):
                await collecting
