"""Log lines of builds and replicas from the log stream: the last ones, those since a time, those to come.

Lines age; what is gone is not told. A dead replica's tail is also in its fact, which stays. Lines are encoded
as they come: what waits for a reader is bytes, and bounded.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_chassis.event_log import After, CaughtUp, EventLog, Stored
from slipway_chassis.log_lines import readable_lines
from slipway_contracts.log_lines import LogStream
from slipway_store.queries import Reads

from slipway_api.answers.log_views import ReplicaLine
from slipway_api.streams.line_origins import LineOrigin, LineOrigins
from slipway_api.streams.log_tail import LARGEST_TAIL_BYTES, Tail, slices

_FIRST_WINDOW: Final = 256
_GROWTH: Final = 16
_WORKLOAD_SUBJECT: Final = 7


@dataclass(frozen=True, kw_only=True)
class LineWish:
    """Which lines.

    Attributes:
        subject: filter of the log stream.
        tail: at most this many of those that are there, and no more of them than `LARGEST_TAIL_BYTES`.
        since: none that were read before.
        follow: go on with those to come.
        endpoint: only of this endpoint.
        release: only of the replicas that this release has; their lines are named by it.
        slot: only of the replicas of this place, whichever attempt.
    """

    subject: str
    tail: int
    since: datetime | None = None
    follow: bool = False
    endpoint: str | None = None
    release: int | None = None
    slot: str | None = None


class LogReading:
    """Reads log lines.

    Args:
        lines: the log stream.
        reads: knows the endpoints and releases of workloads.
    """

    def __init__(self, *, lines: EventLog, reads: Reads) -> None:
        self._lines = lines
        self._reads = reads

    async def read(self, wish: LineWish) -> AsyncGenerator[list[bytes]]:
        """Return lines, each a `ReplicaLine` as JSON, in the order in which they came, a few at once.

        Those that are followed come until this is cancelled.
        """
        authors = _Authors(reads=self._reads, wish=wish)
        existing, position = await self._existing(wish, authors)
        for some in slices(_told(existing)):
            yield some
        del existing  # a follower stays for long
        if not wish.follow:
            return
        async with aclosing(self._lines.follow(wish.subject, start=After(position))) as items:
            async for item in items:
                if isinstance(item, Stored):
                    for some in slices(await authors.lines(item)):
                        yield some

    async def _existing(self, wish: LineWish, authors: "_Authors") -> tuple[Tail, int]:
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
                    for line in await authors.lines(item):
                        tail.add(line)
                    await asyncio.sleep(0)  # messages that wait already are taken without a turn of the loop
            reaches_back = wish.since is not None and (oldest := authors.oldest) and oldest < wish.since
            if begin == 0 or tail.full or reaches_back:
                return tail, position
            window *= _GROWTH


class _Authors:
    """Turns messages into lines that name release, replica and endpoint, but for those nobody wished for."""

    def __init__(self, *, reads: Reads, wish: LineWish) -> None:
        self.oldest: datetime | None = None
        self._wish = wish
        required = wish.endpoint is not None or wish.release is not None
        self._origins = LineOrigins(reads=reads, required=required)

    async def lines(self, stored: Stored) -> list[bytes]:
        workload, replica = _author(stored.subject)
        if self._wish.slot is not None and (replica or "").partition("-")[0] != self._wish.slot:
            return []
        origin = LineOrigin() if workload is None else await self._origins.of(stored.subject, workload)
        if self._wish.endpoint is not None and origin.endpoint != self._wish.endpoint:
            return []
        if self._wish.release is not None and not origin.is_of(self._wish.release):
            return []
        found = [
            ReplicaLine(
                **dict(line),
                workload=workload,
                replica=replica,
                endpoint=origin.endpoint,
                release=self._wish.release or origin.release_at(line.at),
            )
            for line in readable_lines(stored.data)
        ]
        if found and (self.oldest is None or found[0].at < self.oldest):
            self.oldest = found[0].at
        since = self._wish.since
        return [_encoded(line) for line in found if since is None or line.at >= since]


def _author(subject: str) -> tuple[str | None, str | None]:
    """Return workload and replica of a subject of the log stream; (None, None): a build's."""
    tokens = subject.split(".")
    if len(tokens) < _WORKLOAD_SUBJECT:
        return None, None
    return tokens[5], tokens[6]


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
