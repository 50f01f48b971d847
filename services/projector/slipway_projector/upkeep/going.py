"""What a truncation takes, as a list in Postgres: it may be as long as the log, and is read page by page."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

import asyncpg
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_contracts import subjects

_MAKE: Final = "create temp table going (sequence bigint primary key)"
_PAGE: Final = "select sequence from going where sequence > $1 order by sequence limit $2"
_PAGE_ROWS: Final = 10_000


class Going:
    """Sequences in order, kept as long as the connection lives; make it with `empty`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.count = 0

    @classmethod
    async def empty(cls, connection: asyncpg.Connection) -> "Going":
        """Return a list with nothing in it, the only one of this connection."""
        await connection.execute(_MAKE)
        return cls(connection)

    async def add(self, sequences: Iterable[int]) -> None:
        """Append sequences."""
        records = [(each,) for each in sequences]
        await self._connection.copy_records_to_table("going", records=records, columns=["sequence"])
        self.count += len(records)

    async def pages(self) -> AsyncIterator[Sequence[int]]:
        """Return all sequences, page by page."""
        behind = -1
        while found := await self._connection.fetch(_PAGE, behind, _PAGE_ROWS):
            page = [row["sequence"] for row in found]
            behind = page[-1]
            yield page


class Remains:
    """What there still is of a log before the sequence from which on it is whole; use `remains`."""

    def __init__(self, sequences: AsyncIterator[int], *, before: int) -> None:
        self._sequences = sequences
        self._before = before
        self._reached = 0

    async def holds(self, sequence: int) -> bool:
        """Return whether the log may still hold this one; to be asked in order."""
        while self._reached < sequence < self._before:
            self._reached = await anext(self._sequences, self._before)
        return sequence >= self._before or self._reached == sequence


@asynccontextmanager
async def remains(log: EventLog, *, before: int) -> AsyncIterator[Remains]:
    """Read the log up to `before` while the body asks what is there."""
    async with aclosing(_sequences(log, before)) as sequences:
        yield Remains(sequences, before=before)


async def _sequences(log: EventLog, before: int) -> AsyncGenerator[int]:
    async with aclosing(log.follow(subjects.ALL, start=After(0))) as items:
        async for item in items:
            if isinstance(item, CaughtUp) or item.sequence >= before:
                return
            yield item.sequence
