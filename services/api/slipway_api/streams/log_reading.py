"""Log lines of builds and replicas from the log stream: the last ones, those since a time, those to come.

Lines age; what is gone is not told. A dead replica's tail is also in its fact, which stays. Lines are encoded
as they come: what waits for a reader is bytes, and bounded.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Stored
from slipway_contracts import subjects
from slipway_contracts.log_lines import LogLines, LogStream
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads

from slipway_api.answers.views import ReplicaLine
from slipway_api.streams.log_tail import LARGEST_TAIL_BYTES, Tail, slices

_FIRST_WINDOW: Final = 256
_GROWTH: Final = 16
_ASK_AGAIN_SECONDS: Final = 0.5
_WORKLOAD_SUBJECT: Final = 7


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which lines.

    Attributes:
        subject: filter of the log stream.
        tail: at most this many of those that are there, and no more of them than `LARGEST_TAIL_BYTES`.
        since: none that were read before.
        follow: go on with those to come.
        endpoint: only of this endpoint.
    """

    subject: str
    tail: int
    since: datetime | None = None
    follow: bool = False
    endpoint: str | None = None


class LogReading:
    """Reads log lines.

    Args:
        lines: the log stream.
        reads: knows the endpoints of workloads.
    """

    def __init__(self, *, lines: EventLog, reads: Reads) -> None:
        self._lines = lines
        self._reads = reads

    async def read(self, wish: Wish) -> AsyncGenerator[list[bytes]]:
        """Return lines, each a `ReplicaLine` as JSON, in the order in which they came, a few at once.

        Those that are followed come until this is cancelled.
        """
        endpoints = _Endpoints(reads=self._reads, wish=wish)
        existing, position = await self._existing(wish, endpoints)
        for some in slices(_told(existing)):
            yield some
        del existing  # a follower stays for long
        if not wish.follow:
            return
        async with aclosing(self._lines.follow(wish.subject, start=After(position))) as items:
            async for item in items:
                if isinstance(item, Stored):
                    for some in slices(await endpoints.lines(item)):
                        yield some

    async def _existing(self, wish: Wish, endpoints: "_Endpoints") -> tuple[Tail, int]:
        """Return the last lines and the position behind them.

        The stream holds the lines of all deployments, so how far back to begin is found by widening.
        """
        end = await self._lines.end()
        window = _FIRST_WINDOW
        while True:
            begin = max(0, end - window)
            tail, position = Tail(most=wish.tail), end
            async with aclosing(self._lines.follow(wish.subject, start=After(begin))) as items:
                async for item in items:
                    if isinstance(item, CaughtUp):
                        position = item.sequence
                        break
                    for line in await endpoints.lines(item):
                        tail.add(line)
                    await asyncio.sleep(0)  # messages that wait already are taken without a turn of the loop
            reaches_back = wish.since is not None and (oldest := endpoints.oldest) and oldest < wish.since
            if begin == 0 or tail.full or reaches_back:
                return tail, position
            window *= _GROWTH


class _Endpoints:
    """Turns messages into lines that name replica and endpoint; remembers which workload is which."""

    def __init__(self, *, reads: Reads, wish: Wish) -> None:
        self.oldest: datetime | None = None
        self._reads = reads
        self._wish = wish
        self._known: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}

    async def lines(self, stored: Stored) -> list[bytes]:
        workload, replica = _author(stored.subject)
        endpoint = await self._endpoint(stored.subject, workload) if workload else None
        if self._wish.endpoint is not None and endpoint != self._wish.endpoint:
            return []
        found = list(_lines(stored.data, workload, replica, endpoint))
        if found and (self.oldest is None or found[0].at < self.oldest):
            self.oldest = found[0].at
        since = self._wish.since
        return [_encoded(line) for line in found if since is None or line.at >= since]

    async def _endpoint(self, subject: str, workload: str) -> str | None:
        # A new replica's lines may come before the projection knows its workload.
        asked_at = self._asked_at.get(workload, -math.inf)
        if workload not in self._known and time.monotonic() - asked_at >= _ASK_AGAIN_SECONDS:
            self._asked_at[workload] = time.monotonic()
            if endpoint := await self._load(subject, workload):
                self._known[workload] = endpoint
        return self._known.get(workload)

    async def _load(self, subject: str, workload: str) -> str | None:
        group, deployment = subjects.owner_of(subject)
        try:
            return await self._reads.endpoint_of(group, deployment, workload)
        except DatabaseUnavailableError:
            if self._wish.endpoint is not None:
                raise
            return None


def _author(subject: str) -> tuple[str | None, str | None]:
    """Return workload and replica of a subject of the log stream; (None, None): a build's."""
    tokens = subject.split(".")
    if len(tokens) < _WORKLOAD_SUBJECT:
        return None, None
    return tokens[5], tokens[6]


def _lines(
    body: bytes, workload: str | None, replica: str | None, endpoint: str | None
) -> Iterable[ReplicaLine]:
    try:
        lines = LogLines.model_validate_json(body).lines
    except ValidationError:
        return
    for line in lines:
        yield ReplicaLine(**dict(line), workload=workload, replica=replica, endpoint=endpoint)


def _told(tail: Tail) -> Iterator[bytes]:
    """Return the lines, behind a remark of the platform where others that were wished for are left out."""
    if tail.cut and tail.oldest is not None:
        at = ReplicaLine.model_validate_json(tail.oldest).at
        most = f"at most {LARGEST_TAIL_BYTES >> 20} MiB of those that are there"
        text = f"earlier lines are left out: an answer has {most}"
        yield _encoded(ReplicaLine(at=at, stream=LogStream.SLIPWAY, text=text))
    yield from tail.lines


def _encoded(line: ReplicaLine) -> bytes:
    # In ASCII: some readers take U+2028 and its like for the end of a line.
    return line.model_dump_json(exclude_none=True, ensure_ascii=True).encode()
