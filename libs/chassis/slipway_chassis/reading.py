"""Single reads of the log.

Every read goes to the stream's leader, never through a direct get, so that what was confirmed before the
read began is seen: decisions rest on them.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

from slipway_chassis.connection import Connection
from slipway_chassis.jetstream_api import NotFoundError, call
from slipway_chassis.stored import Stored

_NO_MESSAGE: Final = 10037


class Reader:
    """Reads one stream, message by message.

    Args:
        connection: the process' connection.
        stream: the stream.
        timeout: seconds until an unanswered read is given up.
    """

    def __init__(self, *, connection: Connection, stream: str, timeout: float) -> None:
        self._connection = connection
        self._stream = stream
        self._timeout = timeout

    async def get(self, sequence: int) -> Stored | None:
        """Return the message at a position; see `EventLog.get`."""
        return await self._get({"seq": sequence})

    async def last(self, subject: str) -> Stored | None:
        """Return the last message of a subject or filter; see `EventLog.last`."""
        return await self._get({"last_by_subj": subject})

    async def read(self, subject: str, *, after: int) -> AsyncIterator[Stored]:
        """Return the messages after a position, to the present end; see `EventLog.read`."""
        while (found := await self._get({"seq": after + 1, "next_by_subj": subject})) is not None:
            after = found.sequence
            yield found

    async def begin(self) -> int:
        """Return the first position that is there; see `EventLog.begin`."""
        return int((await self._state())["first_seq"])

    async def end(self) -> int:
        """Return the last position; see `EventLog.end`."""
        return int((await self._state())["last_seq"])

    async def _state(self) -> Mapping[str, Any]:
        answer = await call(self._connection, f"STREAM.INFO.{self._stream}", within=self._timeout)
        state: Mapping[str, Any] = answer["state"]
        return state

    async def _get(self, request: Mapping[str, object]) -> Stored | None:
        verb = f"STREAM.MSG.GET.{self._stream}"
        try:
            answer = await call(self._connection, verb, request, within=self._timeout)
        except NotFoundError as error:
            if error.err_code != _NO_MESSAGE:
                raise
            return None
        return _stored(answer["message"])


def _stored(message: Mapping[str, Any]) -> Stored:
    return Stored(
        subject=message["subject"],
        sequence=int(message["seq"]),
        time=datetime.fromisoformat(message["time"]),
        headers=_headers(base64.b64decode(message.get("hdrs", ""))),
        data=base64.b64decode(message.get("data", "")),
    )


def _headers(block: bytes) -> dict[str, str]:
    lines = block.decode().split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in pairs}
