"""The event stream as an iterator: server-sent events read, and the stream taken up again where it broke."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import aiohttp

from slipway.errors import ProblemError, ProtocolError
from slipway.transport import RETRIED_STATUSES, Pauses, Request, Transport

TYPE_PREFIX: Final = "dev.slipway."
GAP: Final = "gap"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A message of the log; `document` is the whole CloudEvent, `data` the fact in it.

    `type` is as the contracts write it (`release.live.v1`). A `gap` says that events are missing here: its
    `data` names the first and the last of them, and the reason.
    """

    sequence: int
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    time: datetime | None = None
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The type without its version, as `release.live`."""
        head, _, version = self.type.rpartition(".")
        return head if version.startswith("v") and version[1:].isdigit() else self.type

    def as_json(self) -> dict[str, Any]:
        """Return the CloudEvent as the API has it: `sequence` is text there; a gap has its own too."""
        return {**self.document, "sequence": str(self.sequence)}

    @classmethod
    def of(cls, message: "ServerSentEvent") -> Self:
        """Read a message of the stream.

        Raises:
            ProtocolError: it holds no event.
        """
        try:
            document = json.loads(message.data)
            return cls.read(document, kind=message.event, sequence=int(message.id))
        except ValueError as error:
            raise ProtocolError(f"the event stream sent what is no event: {message.data[:200]!r}") from error

    @classmethod
    def read(cls, document: Any, *, kind: str, sequence: int) -> Self:  # noqa: ANN401 - any JSON
        """Read a structured CloudEvent.

        Raises:
            ProtocolError: it is none.
        """
        try:
            kind = kind.removeprefix(TYPE_PREFIX)
            data = document if kind == GAP else document.get("data")
            time = document.get("time")
            return cls(
                sequence=sequence,
                type=kind,
                data=data if isinstance(data, dict) else {},
                time=datetime.fromisoformat(time) if time else None,
                document=document,
            )
        except (ValueError, AttributeError, TypeError) as error:
            raise ProtocolError(f"this is no event: {str(document)[:200]}") from error


@dataclass(frozen=True, kw_only=True)
class ServerSentEvent:
    """One message of a `text/event-stream`, as the HTML standard defines it."""

    event: str
    data: str
    id: str


class ServerSentEvents:
    """Cuts the bytes of a `text/event-stream` into messages; `last_id` is that of the last complete one."""

    def __init__(self) -> None:
        self.last_id = ""
        self._rest = b""
        self._id = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the messages that this chunk completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [message for line in lines if (message := self._line(line)) is not None]

    def _line(self, raw: bytes) -> ServerSentEvent | None:
        line = raw.decode(errors="replace").removesuffix("\r")
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case _:
                pass
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, data = self._event or "message", self._data
        self.last_id, self._event, self._data = self._id, "", []
        return ServerSentEvent(event=event, data="\n".join(data), id=self.last_id) if data else None


class EventStream:
    """Events after a position, without gap or repeat over lost connections.

    Args:
        transport: the session.
        request: the request for the stream, without a position.
        after: sequence of the last event known; None begins with what happens from now on.
        patience: seconds without a connection after which the stream gives up.
    """

    def __init__(self, *, transport: Transport, request: Request, after: int | None, patience: float) -> None:
        self._transport = transport
        self._request = request
        self._patience = patience
        self.position = after

    async def events(self) -> AsyncGenerator[Event]:
        """Yield events for ever.

        Raises:
            ProblemError: the API refuses the subscription.
            UnreachableError: no connection for longer than patience.
            ProtocolError: the stream holds what is no event.
        """
        pauses = self._transport.pauses_of_stream(self._patience)
        while True:
            try:
                async with aclosing(self._connection(pauses)) as connection:
                    async for event in connection:
                        yield event
                failure: Exception = ConnectionError("the stream ended")
            except ProblemError as error:
                if error.status not in RETRIED_STATUSES:
                    raise
                failure = error
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                failure = error
            if not await pauses.next():
                raise self._transport.unreachable(failure) from failure

    async def _connection(self, pauses: Pauses) -> AsyncGenerator[Event]:
        parser = ServerSentEvents()
        async with self._transport.open(self._resumed()) as response:
            async for chunk in response.content.iter_any():
                pauses.restart()
                for message in parser.feed(chunk):
                    event = Event.of(message)
                    # Behind a gap the log may count from lower numbers: it was cut, or restored.
                    if event.type == GAP or self.position is None or event.sequence > self.position:
                        self.position = event.sequence
                        yield event
                if parser.last_id.isdigit():
                    self.position = max(self.position or 0, int(parser.last_id))

    def _resumed(self) -> Request:
        position = {} if self.position is None else {"Last-Event-ID": str(self.position)}
        return replace(self._request, headers={"Accept": "text/event-stream", **position})
