"""Folds a log in memory, message by message: what the tables must hold, without a database."""

from collections.abc import Iterable
from typing import Any

from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.stored import Stored
from slipway_contracts.codec import encode
from slipway_projector.logged import Logged, read
from slipway_projector.working_rows import WorkingRows
from slipway_store.folding import fold, touches
from slipway_store.records import EVENT, RECORDS, Key, R, Record
from slipway_store.rows import Row


class MemoryProjection(WorkingRows):
    """Working rows that nothing was loaded into: what is not known does not exist."""

    def get(self, record: Record[R], key: Key) -> R | None:
        self._known[record].setdefault(key, None)
        return super().get(record, key)

    def add(self, messages: Iterable[Logged]) -> None:
        """Fold messages; of an id that came twice the first counts."""
        seen: set[str] = set()
        for logged in messages:
            if logged.id not in seen:
                seen.add(logged.id)
                fold(self, logged, touches(logged))

    def tables(self) -> dict[str, list[Row]]:
        """Return all rows by table, in the order of their keys; history and checkpoint aside."""
        rows = {record.table: sorted_rows(record, found) for record, found in self.changed()}
        return {record.table: rows.get(record.table, []) for record in compared()}


def compared() -> list[Record[Any]]:
    return [record for record in RECORDS if record.table not in {EVENT.table, "checkpoint"}]


def sorted_rows(record: Record[Any], rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=record.key_of)


def as_logged(messages: Iterable[Outgoing]) -> list[Logged]:
    """Return messages as they would lie in a log that holds nothing else."""
    return [
        read(
            Stored(
                subject=outgoing.subject,
                sequence=sequence,
                time=outgoing.envelope.time,
                headers=outgoing.envelope.to_headers(),
                data=encode(outgoing.message),
            )
        )
        for sequence, outgoing in enumerate(messages, start=1)
    ]


async def read_log(log: EventLog) -> list[Logged]:
    """Return everything that a log holds."""
    return [read(stored) async for stored in log.read(">", after=0)]


def project(messages: Iterable[Logged]) -> dict[str, list[Row]]:
    """Return the tables that these messages make."""
    projection = MemoryProjection()
    projection.add(messages)
    return projection.tables()
