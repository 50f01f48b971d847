"""The one connection of a process to NATS: it never gives up, and it tells whoever must start over.

A request in flight fails as soon as the connection drops, instead of waiting for its timeout.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr
from slipway_contracts.topology import inbox_prefix

from slipway_chassis.errors import LogUnavailableError, MessageTooLargeError
from slipway_chassis.logs import get_logger
from slipway_chassis.nats_client import Client, MaxPayloadError, Msg, NatsError, StaleConnectionError

RECONNECT_WAIT: Final = 0.1
_PING_SECONDS: Final = 10
_SAY_AGAIN_SECONDS: Final = 10.0
_NO_RESPONDERS: Final = "503"

_log: Final = get_logger()


class Connection:
    """A NATS client with bounded requests and listeners for reconnects.

    Args:
        url: `nats://host:port`, several by comma.
        user: user of the log, where the server asks for one.
        password: its password.
        name: shown in the server's list of connections.
    """

    def __init__(self, *, url: str, user: str | None, password: SecretStr | None, name: str) -> None:
        self.nc: Final = Client()
        self.closed: Final = asyncio.Event()
        self._url = url
        self._user = user
        self._password = password
        self._name = name
        self._up = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._replies: dict[str, asyncio.Future[Msg]] = {}
        self._inbox = ""
        self._counter = 0
        self._said_at = 0.0
        self._refused = False
        self._problem: str | None = f"never connected to NATS at {self.place}"

    @classmethod
    async def open(cls, *, url: str, user: str | None, password: SecretStr | None, name: str) -> Self:
        """Connect, waiting as long as it takes."""
        connection = cls(url=url, user=user, password=password, name=name)
        await connection.connect()
        return connection

    @property
    def place(self) -> str:
        """The address without credentials."""
        addresses = map(urlsplit, self._url.split(","))
        return ",".join(f"{parts.scheme}://{parts.hostname}:{parts.port or 4222}" for parts in addresses)

    @property
    def problem(self) -> str | None:
        """What keeps the connection from working, and what to do; None while it works."""
        return self._problem

    async def connect(self) -> None:
        """Connect, waiting as long as it takes; the reason to wait is logged and in `problem`."""
        await self.nc.connect(
            self._url.split(","),
            user=self._user,
            password=self._password.get_secret_value() if self._password else None,
            name=self._name,
            inbox_prefix=inbox_prefix(self._user).encode(),
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type]
            ping_interval=_PING_SECONDS,
            connect_timeout=2,
        )
        self._inbox = self.nc.new_inbox()
        await self.nc.subscribe(f"{self._inbox}.*", cb=self._on_reply)
        self._now_up()
        _log.info("connected to NATS", url=self.place)

    async def close(self) -> None:
        """Send what is buffered and disconnect; closing again changes nothing."""
        with suppress(NatsError):
            if self.nc.is_connected:
                await self.nc.flush(timeout=1)
        await self.nc.close()

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every reconnect; what the server held in memory for us is gone by then."""
        self._listeners.add(listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.discard(listener)

    async def wait_up(self, *, within: float) -> None:
        """Wait until the connection works.

        Raises:
            LogUnavailableError: it does not, `within` seconds.
        """
        try:
            async with asyncio.timeout(within):
                await self._up.wait()
        except TimeoutError:
            raise LogUnavailableError(self._problem or f"no connection to NATS at {self.place}") from None

    async def request(
        self, subject: str, payload: bytes = b"", *, headers: Mapping[str, str] | None = None, within: float
    ) -> Msg:
        """Send a request and return the answer.

        Raises:
            LogUnavailableError: no answer within `within` seconds, nobody listens, or the connection
                dropped; the request may have been carried out.
            MessageTooLargeError: the server takes no message of this size.
        """
        deadline = time.monotonic() + within
        await self.wait_up(within=within)
        self._counter += 1
        token = str(self._counter)
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._replies[token] = answer
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self.nc.publish(subject, payload, f"{self._inbox}.{token}", dict(headers or {}) or None)
                reply = await answer
        except TimeoutError:
            raise LogUnavailableError(f"no answer on {subject} within {within:g} s") from None
        except MaxPayloadError:
            raise _too_large(subject, payload) from None
        except NatsError as error:
            raise LogUnavailableError(f"cannot send on {subject}: {error}") from error
        finally:
            del self._replies[token]
        if reply.headers and reply.headers.get("Status") == _NO_RESPONDERS:
            raise LogUnavailableError(
                f"nobody answers on {subject}; is JetStream on, the stream provisioned?"
            )
        return reply

    async def send(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        reply: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send without waiting for an answer; after a drop it may be lost.

        Raises:
            LogUnavailableError: the connection does not work now.
            MessageTooLargeError: the server takes no message of this size.
        """
        if not self._up.is_set():
            raise LogUnavailableError(self._problem or f"no connection to NATS at {self.place}")
        try:
            await self.nc.publish(subject, payload, reply, headers=dict(headers or {}) or None)
        except MaxPayloadError:
            raise _too_large(subject, payload) from None
        except NatsError as error:
            raise LogUnavailableError(f"cannot send on {subject}: {error}") from error

    def _now_up(self) -> None:
        self._problem = None
        self._up.set()

    async def _on_reply(self, message: Msg) -> None:
        answer = self._replies.get(message.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _on_disconnected(self) -> None:
        self._up.clear()
        self._problem = f"lost the connection to NATS at {self.place}; reconnecting"
        for answer in self._replies.values():
            if not answer.done():
                answer.set_exception(LogUnavailableError(f"the connection to NATS at {self.place} dropped"))
        if not self.nc.is_closed:
            _log.warning("lost the connection to NATS, reconnecting", url=self.place)

    async def _on_reconnected(self) -> None:
        self._now_up()
        _log.info("reconnected to NATS", url=self.place)
        for listener in tuple(self._listeners):
            listener()

    async def _on_closed(self) -> None:
        self.closed.set()

    async def _on_error(self, error: Exception) -> None:
        if self._up.is_set():
            # A loss of the connection is reported by itself, right after this.
            if not isinstance(error, StaleConnectionError | OSError):
                _log.error("NATS reports a problem", url=self.place, problem=str(error))
            return
        # The server drops a client that it refuses, sometimes before the client has read why.
        if self._refused and isinstance(error, StaleConnectionError | ConnectionResetError):
            return
        self._refused = "authorization" in str(error).lower()
        self._problem = self._advice(error)
        if time.monotonic() - self._said_at > _SAY_AGAIN_SECONDS:
            self._said_at = time.monotonic()
            _log.warning(self._problem, url=self.place)

    def _advice(self, error: Exception) -> str:
        if self._refused:
            return (
                f"NATS at {self.place} refuses user {self._user!r}; "
                "check SLIPWAY_NATS_USER and SLIPWAY_NATS_PASSWORD"
            )
        return f"waiting for NATS at {self.place}; is it running? SLIPWAY_NATS_URL names it ({error})"


def _too_large(subject: str, payload: bytes) -> MessageTooLargeError:
    return MessageTooLargeError(f"{len(payload)} bytes on {subject} are more than the server's max_payload")
