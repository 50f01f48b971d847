"""The ceiling of an event stream: a raw ASGI app that sends what it is told to everyone, and does no more.

It is told by NATS, coalesces what came meanwhile, and joins it once for all: `stream_raw.py PORT NATS`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import nats
import uvicorn
import uvloop
from nats.aio.msg import Msg

SUBJECT: Final = "bench.raw"
Message = MutableMapping[str, Any]
_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]


class Raw:
    """The app."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._arrived = asyncio.Event()
        self._joined: dict[int, bytes] = {}

    async def take(self, message: Msg) -> None:
        """Keep an event for all."""
        self._events.append(message.data)
        self._joined.clear()
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Send everything that comes from now on."""
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b": connected\n\n", "more_body": True})
        position = len(self._events)
        while True:
            arrived = self._arrived
            if position == len(self._events):
                await arrived.wait()
            chunk = self._joined.get(position)
            if chunk is None:
                chunk = self._joined[position] = b"".join(self._events[position:])
            position = len(self._events)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def serve(port: int, url: str) -> None:
    """Serve until killed."""
    raw = Raw()
    client = await nats.connect(url)
    await client.subscribe(SUBJECT, cb=raw.take)
    await client.flush()
    config = uvicorn.Config(
        raw, port=port, loop="none", http="httptools", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
