"""A server with scripted answers: resets, refusals, silence, which no real one makes on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from slipway import Slipway

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPERATION = {"id": "op-1", "kind": "stop", "state": "PENDING", "deployment": "digits"}
ACCEPTED = {"operation": OPERATION, "deployment": "digits", "sequence": 41}


class FaultyServer:
    """Gives its scripted answers in order, the last one for ever, and records what it was asked."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.url = ""
        self.stop: Callable[[], Awaitable[None]]
        self.close: Callable[[], Awaitable[None]]

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.requests]

    @property
    def positions(self) -> list[str | None]:
        return [request.headers.get("Last-Event-ID") for request in self.requests]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = self.script[min(len(self.requests), len(self.script)) - 1]
        return await answer(request)


@asynccontextmanager
async def serving() -> AsyncIterator[FaultyServer]:
    """Run one until the end of the block."""
    faulty = FaultyServer()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", faulty.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    faulty.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    faulty.stop, faulty.close = runner.cleanup, site.stop
    yield faulty
    await runner.cleanup()


def client(server: FaultyServer, *, patience: float = 5.0, silence: float = 5.0) -> Slipway:
    return Slipway(server.url, "slw_x", patience=patience, stream_patience=patience, silence=silence)


def answers(document: Any, *, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return answer


def refuses(status: int, reason: str, **members: Any) -> Answer:
    return answers({"title": reason, "reason": reason, "detail": "No.", **members}, status=status)


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def streams(*parts: bytes, then: Callable[[], Awaitable[object]] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if then is not None:
            await then()
        return response

    return answer


def event(sequence: int, *, kind: str = "release.ready.v1", **data: Any) -> bytes:
    document = {"specversion": "1.0", "type": f"dev.slipway.{kind}", "data": data}
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(document)}\n\n".encode()


async def silence() -> None:
    await asyncio.Event().wait()
