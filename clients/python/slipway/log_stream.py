"""Log lines as an iterator: a broken stream is taken up again, and what was told before is left out."""

import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import aiohttp
from pydantic import ValidationError

from slipway.documents import LogLine
from slipway.errors import ProblemError, ProtocolError
from slipway.transport import RETRIED_STATUSES, Pauses, Request, Transport

_OVERLAP: Final = timedelta(seconds=30)
_EVERY_LINE: Final = "100000"
_FEW: Final = 10_000


class LogLines:
    """The lines that a request for a log names; each is told once, over all calls of one object.

    Lines carry no position but their time, and those of several replicas arrive a little out of order.
    After a lost connection they are therefore asked for again from a while ago.

    Args:
        transport: the session.
        request: the request for the log, without `follow`.
        patience: seconds without a connection after which following gives up.
    """

    def __init__(self, *, transport: Transport, request: Request, patience: float) -> None:
        self._transport = transport
        self._request = request
        self._patience = patience
        self._newest: datetime | None = None
        self._told: Counter[LogLine] = Counter()
        self._most_told = _FEW

    async def read(self, *, follow: bool) -> AsyncGenerator[LogLine]:
        """Yield the lines that are there; with `follow` those to come as well, for ever.

        Raises:
            ProblemError: the API refuses.
            UnreachableError: no connection for longer than patience.
            ProtocolError: the answer holds what is no line.
        """
        pauses = self._transport.pauses_of_stream(self._patience)
        while True:
            failure: Exception = ConnectionError("the stream ended")
            try:
                async with aclosing(self._lines(pauses, follow=follow)) as lines:
                    async for line in lines:
                        yield line
            except ProblemError as error:
                if error.status not in RETRIED_STATUSES:
                    raise
                failure = error
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                failure = error
                if follow and isinstance(error, TimeoutError):
                    # A log has no heartbeats: silence may be a dead connection, or just silence.
                    pauses.restart()
            else:
                if not follow:
                    return
            if not await pauses.next():
                raise self._transport.unreachable(failure) from failure

    async def _lines(self, pauses: Pauses, *, follow: bool) -> AsyncGenerator[LogLine]:
        repeated = self._told.copy()
        rest = b""
        async with self._transport.open(self._resumed(follow=follow)) as response:
            async for chunk in response.content.iter_any():
                pauses.restart()
                *whole, rest = (rest + chunk).split(b"\n")
                for line in map(_parsed, filter(None, whole)):
                    if repeated[line] > 0:
                        repeated[line] -= 1
                    else:
                        self._remember(line)
                        yield line

    def _remember(self, line: LogLine) -> None:
        self._told[line] += 1
        self._newest = line.at if self._newest is None else max(self._newest, line.at)
        if len(self._told) > self._most_told:
            oldest = self._newest - _OVERLAP
            self._told = Counter({each: count for each, count in self._told.items() if each.at >= oldest})
            self._most_told = 2 * len(self._told) + _FEW

    def _resumed(self, *, follow: bool) -> Request:
        query = {**dict(self._request.query), "follow": "true" if follow else "false"}
        if self._newest is not None:
            query |= {"since": (self._newest - _OVERLAP).isoformat(), "tail": _EVERY_LINE}
        return replace(self._request, query=query, headers={"Accept": "application/x-ndjson"})


def _parsed(raw: bytes) -> LogLine:
    try:
        return LogLine.model_validate(json.loads(raw))
    except (ValueError, ValidationError) as error:
        raise ProtocolError(f"the log holds what is no line: {raw[:200]!r}") from error
