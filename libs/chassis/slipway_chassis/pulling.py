"""One message at a time from a durable pull consumer, through restarts of the server.

Never more than one request waits at the server, so no message lies unhandled in this process; a restart of
the server interrupts the waiting at once, and a missing consumer is waited for instead of created.
"""

import asyncio
import json
from contextlib import suppress
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.logs import get_logger
from slipway_chassis.nats_client import Msg, NatsError, Subscription

_NO_MESSAGES: Final = frozenset({"404", "408"})
_PATIENCE_SECONDS: Final = 1.0
_REFUSED_PAUSE_SECONDS: Final = 0.5
_NANOSECONDS: Final = 1_000_000_000
_log: Final = get_logger()


class DurablePull:
    """The pull side of a consumer that is provisioned; offers what FastStream's pull loop asks for."""

    def __init__(self, *, connection: Connection, stream: str, durable: str) -> None:
        self._connection = connection
        self._request = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._durable = durable
        self._inbox = ""
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._asked = 0

    async def open(self) -> None:
        """Begin to listen."""
        self._connection.add_listener(self._interrupt)
        await self._listen()

    async def fetch(self, batch: int = 1, timeout: float | None = None) -> list[Msg]:  # noqa: ASYNC109, ARG002
        """Return one message, or none when `timeout` seconds passed or the connection was replaced."""
        seconds = timeout or _PATIENCE_SECONDS
        if self._arrived.empty():
            try:
                await self._ask(seconds)
            except LogUnavailableError:
                return []
        try:
            async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
                message = await self._next()
        except TimeoutError:
            return []
        return [message] if message is not None else []

    async def _listen(self) -> None:
        self._inbox = self._connection.nc.new_inbox()
        self._subscription = await self._connection.nc.subscribe(f"{self._inbox}.*", cb=self._arrived.put)

    async def _ask(self, seconds: float) -> None:
        await self._connection.wait_up(within=seconds)
        self._asked += 1
        request = json.dumps({"batch": 1, "expires": int(seconds * _NANOSECONDS)}).encode()
        await self._connection.send(self._request, request, reply=f"{self._inbox}.{self._asked}")

    async def _next(self) -> Msg | None:
        while (message := await self._arrived.get()) is not None:
            status = (message.headers or {}).get("Status")
            if status is None:
                return message
            if not message.subject.endswith(f".{self._asked}"):
                continue
            if status not in _NO_MESSAGES:
                _log.warning("no messages can be had", consumer=self._durable, status=status)
                await asyncio.sleep(_REFUSED_PAUSE_SECONDS)
            return None
        # A request that the client buffered while it was disconnected would be a second one: leave its inbox.
        await self._forget()
        await self._listen()
        return None

    async def unsubscribe(self) -> None:
        """Stop listening; the server drops the request that waits."""
        self._connection.remove_listener(self._interrupt)
        await self._forget()

    async def _forget(self) -> None:
        if self._subscription is not None and not self._connection.nc.is_closed:
            with suppress(NatsError):
                await self._subscription.unsubscribe()

    def _interrupt(self) -> None:
        self._arrived.put_nowait(None)
