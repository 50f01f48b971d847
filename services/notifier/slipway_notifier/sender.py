"""One POST over a connection of its own: no redirects, no proxy, everything bounded.

HTTP/1.1 by h11; knows nothing of events.
"""

import asyncio
import os
import ssl
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, urlsplit

import h11

from slipway_notifier.addresses import Resolve, addresses_of, resolve
from slipway_notifier.outcome import DeliveryError, Fault
from slipway_notifier.reach import Reach, Region, region_of

_LARGEST_HEAD: Final = 16 << 10
_LARGEST_BODY: Final = 16 << 10
_REST_SECONDS: Final = 1.0
_CHUNK: Final = 4096
_LOOKS: Final = 16
PORTS: Final = {"http": 80, "https": 443}
_ITS_OWN: Final = (ConnectionRefusedError, ConnectionResetError, ssl.SSLError)
"""Errors that only a machine can cause which was reached."""

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    def is_success(self) -> bool:
        """Whether the receiver has what was sent."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

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
        resolving: asks for the addresses of a name; blocks.
    """

    def __init__(
        self,
        *,
        timeout: timedelta,
        private_addresses: bool,
        trust: ssl.SSLContext | None = None,
        resolving: Resolve = resolve,
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._private = private_addresses
        self._trust = trust or ssl.create_default_context()
        self._resolving = resolving
        self._reach = Reach()
        self._looking = asyncio.Semaphore(_LOOKS)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body and return the head of the answer, whatever becomes of the rest of it.

        Raises:
            DeliveryError: there is no answer, or none that is HTTP.
        """
        parts = urlsplit(url)
        deadline = asyncio.get_running_loop().time() + self._timeout
        reader, writer = await self._connect(parts, deadline)
        try:
            line = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
            with self._failures_told():
                async with asyncio.timeout_at(deadline):
                    writer.write(_request(line, parts, headers, body))
                    response = await _head(line, reader)
            await _read_rest(line, reader)
            return _answer(response)
        finally:
            writer.transport.abort()

    async def look(self, url: str) -> None:
        """Ask where a receiver is, and whether anything may be sent there; sends nothing.

        Raises:
            DeliveryError: nothing could be sent now.
        """
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        try:
            async with self._looking, asyncio.timeout(self._timeout):
                await addresses_of(
                    parts.hostname or "", port, private=self._private, resolving=self._resolving
                )
        except TimeoutError:
            problem = f"its host has no address within {self._timeout:g} s"
            raise DeliveryError("timeout", problem, fault="unclear") from None

    @contextmanager
    def _failures_told(self) -> Generator[None]:
        """Tell what goes wrong once there is a connection: it is the receiver's doing."""
        try:
            yield
        except TimeoutError:
            raise DeliveryError("timeout", f"no answer within {self._timeout:g} s") from None
        except OSError as error:
            raise DeliveryError("unreachable", f"it cannot be reached: {_in_words(error)}") from None
        except h11.ProtocolError:
            raise DeliveryError("unreachable", "what it answered is not HTTP, or too long") from None

    async def _connect(self, parts: SplitResult, deadline: float) -> Connected:
        """Connect to the first address that takes us; each gets its part of the time.

        Raises:
            DeliveryError: none does.
        """
        host = parts.hostname or ""
        region: Region = "internet"
        try:
            async with asyncio.timeout_at(deadline):
                port = parts.port or PORTS[parts.scheme]
                addresses = await addresses_of(host, port, private=self._private, resolving=self._resolving)
                region = region_of(addresses[0])
                return await self._connect_to_one(host, port, addresses, secure=parts.scheme == "https")
        except TimeoutError:
            failed = DeliveryError("timeout", f"no connection within {self._timeout:g} s", fault="unclear")
        except OSError as error:
            fault: Fault = "receiver" if isinstance(error, _ITS_OWN) else "unclear"
            failed = DeliveryError("unreachable", f"it cannot be reached: {_in_words(error)}", fault=fault)
        except DeliveryError as error:
            failed = error
        if failed.fault == "unclear" and self._reach.is_open_beside(host, region):
            failed.fault = "receiver"
        raise failed

    async def _connect_to_one(
        self, host: str, port: int, addresses: Sequence[str], *, secure: bool
    ) -> Connected:
        trust, name = (self._trust, host) if secure else (None, None)
        refused: OSError | None = None
        for position, address in enumerate(addresses, start=1):
            try:
                async with asyncio.timeout(self._timeout / len(addresses)):
                    connected = await asyncio.open_connection(address, port, ssl=trust, server_hostname=name)
            except OSError as error:  # TimeoutError is one
                refused = error if isinstance(error, _ITS_OWN) else refused
                if position == len(addresses):
                    raise refused or error from None
            else:
                self._reach.note(host, address)
                return connected
        raise AssertionError("a host has an address here")


def _in_words(error: OSError) -> str:
    """Return what the matter is, without the host, its addresses, or what it said."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message.partition(",")[0]
        case ssl.SSLError():
            return (error.reason or "TLS failed").replace("_", " ").lower()
        case _ if error.errno:
            return os.strerror(error.errno)
        case _:
            return "the connection was closed"


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
            raise ConnectionResetError


async def _read_rest(line: h11.Connection, reader: asyncio.StreamReader) -> None:
    """Let the receiver send its answer to the end, which spares it an error, if that is short and soon.

    The status has decided: nothing that goes wrong here counts, nor how much time was left for the answer.
    """
    size = 0
    with suppress(TimeoutError, OSError, h11.ProtocolError):
        async with asyncio.timeout(_REST_SECONDS):
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
