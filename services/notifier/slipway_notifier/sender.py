"""One POST over a connection of its own: no redirects, no proxy, everything bounded.

HTTP/1.1 by h11; knows nothing of events.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from slipway_notifier.addresses import addresses_of
from slipway_notifier.outcome import DeliveryError

_LARGEST_HEAD: Final = 16 << 10
_LARGEST_BODY: Final = 16 << 10
_REST_SECONDS: Final = 1.0
_CHUNK: Final = 4096
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """What a receiver said.

    Attributes:
        status: the status code.
        retry_after: the header of that name, if it holds seconds.
    """

    status: int
    retry_after: timedelta | None = None

    @property
    def title(self) -> str:
        """The status in words, as `503 Service Unavailable`."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class Sender:
    """Posts.

    Args:
        timeout: of one post, from resolving the name to the head of the answer.
        private_addresses: whether it may go to addresses that are not public.
        trust: whose certificates are believed; None: those of the system.
    """

    def __init__(
        self, *, timeout: timedelta, private_addresses: bool, trust: ssl.SSLContext | None = None
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._private = private_addresses
        self._trust = trust or ssl.create_default_context()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the head of the answer.

        Raises:
            DeliveryError: there is no answer, or none that is HTTP.
        """
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(parts, headers, body)
        except TimeoutError:
            raise DeliveryError("timeout", f"no answer within {self._timeout:g} s") from None
        except (OSError, ssl.CertificateError) as error:
            raise DeliveryError("unreachable", f"cannot reach {parts.netloc}: {error}") from None
        except h11.ProtocolError as error:
            raise DeliveryError("unreachable", f"{parts.netloc} does not speak HTTP: {error}") from None

    async def _post(self, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> Answer:
        reader, writer = await self._connect(parts)
        try:
            line = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
            writer.write(_request(line, parts, headers, body))
            response = await _head(line, reader)
            with suppress(TimeoutError, OSError, h11.ProtocolError):
                async with asyncio.timeout(_REST_SECONDS):
                    await _read_rest(line, reader)
            return _answer(response)
        finally:
            writer.transport.abort()

    async def _connect(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that takes us; each gets its part of the time."""
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        trust, name = (self._trust, host) if parts.scheme == "https" else (None, None)
        addresses = await addresses_of(host, port, private=self._private)
        for position, address in enumerate(addresses, start=1):
            try:
                async with asyncio.timeout(self._timeout / len(addresses)):
                    return await asyncio.open_connection(address, port, ssl=trust, server_hostname=name)
            except (OSError, TimeoutError):
                if position == len(addresses):
                    raise
        raise AssertionError("a host has an address here")


def _request(line: h11.Connection, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close"}
    head = h11.Request(method="POST", target=target, headers=list({**own, **headers}.items()))
    sent = (line.send(head), line.send(h11.Data(data=body)), line.send(h11.EndOfMessage()))
    return b"".join(part or b"" for part in sent)


async def _head(line: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    while True:
        event = line.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            line.receive_data(await reader.read(_CHUNK))
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionResetError("the connection was closed before an answer came")


async def _read_rest(line: h11.Connection, reader: asyncio.StreamReader) -> None:
    """Let the receiver send its answer to the end, which spares it an error, if that is short and soon."""
    size = 0
    while size <= _LARGEST_BODY:
        event = line.next_event()
        if event is h11.NEED_DATA:
            line.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Data):
            size += len(event.data)
        else:
            return


def _answer(response: h11.Response) -> Answer:
    later = dict(response.headers).get(b"retry-after", b"").decode("ascii", "replace")
    seconds = int(later) if later.isascii() and later.isdigit() and len(later) < len("1000000") else None
    return Answer(
        status=response.status_code,
        retry_after=None if seconds is None else timedelta(seconds=seconds),
    )
