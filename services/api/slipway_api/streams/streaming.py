"""Answers that go on until the client leaves or an end comes: raw ASGI, with the client's back pressure.

A slow client blocks its own `send` and nothing else.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

EVENT_STREAM: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"
JSONL: Final = "application/jsonl"
STRAIGHT: Final = "send_straight"
"""In the state of a request: the server's own `send`, for what no layer between has to look at."""
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


class ByteStream(Response):
    """Sends what `chunks` yields until it ends, the client leaves or an end comes; then closes it.

    Args:
        chunks: makes the chunks, once the answer begins.
        media_type: of the answer.
        ends: any of them, once set, ends the answer.
        whole: the answer is of use to its end only: where it is ended before, the connection breaks, so that
            nobody takes it for whole (RFC 9112, section 8).
    """

    def __init__(
        self,
        chunks: Callable[[], AsyncGenerator[bytes]],
        *,
        media_type: str,
        ends: Sequence[asyncio.Event],
        whole: bool = False,
    ) -> None:
        super().__init__(headers=_HEADERS, media_type=media_type)
        del self.headers["content-length"]
        self._chunks = chunks
        self._ends = ends
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(scope["state"].get(STRAIGHT, send)))
        leaving = asyncio.create_task(_left(receive))
        ending = [asyncio.create_task(end.wait()) for end in self._ends]
        tasks = {sending, leaving, *ending}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error
        if leaving.cancelled() and not (self._whole and sending.cancelled()):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
