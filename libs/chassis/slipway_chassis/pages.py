"""Pages of a stream, each read when it is asked for: nothing waits in this process while its reader does.

For readers that may be slower than the log. Each run is one ephemeral pull consumer; a page is one request.
Source of the protocol: NATS ADR-13 (pull subscribe) and ADR-42 (`max_bytes`).
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, TransientError
from slipway_chassis.jetstream_api import NotFoundError, call
from slipway_chassis.nats_client import Msg, NatsError
from slipway_chassis.stored import Stored, delivery_of

_ABANDONED_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.2
_NANOSECONDS: Final = 1_000_000_000
_PULL_OVERHEAD: Final = 4096
_REFUSED: Final = "409"
_NOBODY: Final = "503"
# One status, many meanings; source of the words: `consumer.go` of nats-server.
_TOO_LARGE: Final = "message size exceeds maxbytes"


@dataclass(frozen=True)
class Page:
    """Messages in order; `more`: others waited behind them."""

    messages: tuple[Stored, ...]
    more: bool


class Pages:
    """Reads a filter of one stream from behind a position to the end it had.

    Args:
        connection: the process' connection.
        stream: the stream.
        subject: the filter.
        after: the position.
        most: most messages of a page.
        size: most bytes of a page, unless one message alone is larger.
        timeout: seconds until an unanswered request is repeated.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        stream: str,
        subject: str,
        after: int,
        most: int,
        size: int,
        timeout: float,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._position = after
        self._request = {"batch": most, "max_bytes": size + _PULL_OVERHEAD, "no_wait": True}
        self._timeout = timeout

    async def read(self) -> AsyncGenerator[Page]:
        """Return page after page, across restarts of the server; the last one has no `more`."""
        more = True
        while more:
            consumer = ""
            try:
                consumer = await self._open()
                while more:
                    page = await self._page(consumer, self._request)
                    if page.messages:
                        self._position = page.messages[-1].sequence
                    more = page.more
                    yield page
            except (TransientError, NotFoundError):
                # What a lost page held is behind the consumer's own position: the next one begins at ours.
                await asyncio.sleep(_PAUSE_SECONDS)
            finally:
                await self._forget(consumer)

    async def _open(self) -> str:
        """Make a consumer behind the position and return its name; the server forgets it when it is idle."""
        name = f"pages-{secrets.token_hex(8)}"
        config = {
            "name": name,
            "filter_subject": self._subject,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._position + 1,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "inactive_threshold": _ABANDONED_SECONDS * _NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
        }
        request = {"stream_name": self._stream, "config": config}
        await call(self._connection, f"CONSUMER.CREATE.{self._stream}.{name}", request, within=self._timeout)
        return name

    async def _forget(self, consumer: str) -> None:
        if consumer and not self._connection.nc.is_closed:
            with suppress(LogUnavailableError):
                await self._connection.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}")

    async def _page(self, consumer: str, request: Mapping[str, object]) -> Page:
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = self._connection.nc.new_inbox()
        try:
            subscription = await self._connection.nc.subscribe(inbox, cb=arrived.put)
        except NatsError as error:
            raise LogUnavailableError(f"cannot subscribe: {error}") from error
        try:
            verb = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}"
            await self._connection.send(verb, json.dumps(request).encode(), reply=inbox)
            page = await self._collected(arrived, most=request["batch"])
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()
        if page.more and not page.messages:
            # The first message alone is larger than a page.
            return await self._page(consumer, {"batch": 1, "no_wait": True})
        return page

    async def _collected(self, arrived: asyncio.Queue[Msg], *, most: object) -> Page:
        messages: list[Stored] = []
        while True:
            try:
                async with asyncio.timeout(self._timeout):
                    message = await arrived.get()
            except TimeoutError:
                raise LogUnavailableError(f"a page of {self._stream} did not come") from None
            status = (message.headers or {}).get("Status", "")
            if status == _NOBODY:
                raise LogUnavailableError(f"the consumer of {self._stream} is gone")
            if status:
                return Page(tuple(messages), more=self._is_too_large(message, status))
            delivery = delivery_of(message)
            messages.append(delivery.stored)
            more = delivery.pending > 0
            if not more or len(messages) == most:
                return Page(tuple(messages), more=more)

    def _is_too_large(self, message: Msg, status: str) -> bool:
        """Say whether the next message does not fit; else there is none.

        Raises:
            LogUnavailableError: the server ended the request for another reason.
        """
        description = (message.headers or {}).get("Description", "")
        if status == _REFUSED and description.lower() != _TOO_LARGE:
            raise LogUnavailableError(f"the consumer of {self._stream} gives no page: {description}")
        return status == _REFUSED
