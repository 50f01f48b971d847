"""One transaction per batch: the checkpoint, the history, and every row that the batch changes.

The checkpoint moves first and only from where this process left it: its row is the mutex of all writers.
Knows no network but Postgres, and no time but that of the messages.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Self

import asyncpg
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.topology import LOG
from slipway_store.connections import is_refusal
from slipway_store.folding import Touch, fold, keys, touches
from slipway_store.records import CHECKPOINT, LOGGED, Record, moved, quoted
from slipway_store.rows import CheckpointRow
from slipway_store.schema import PROJECTION

from slipway_projector.errors import CheckpointMovedError, OtherFoldError
from slipway_projector.logged import Logged
from slipway_projector.working_rows import WorkingRows

_BEGIN: Final = """
    insert into checkpoint (stream, projection, sequence, event_id, at) values ($1, $2, 0, '', null)
    on conflict do nothing
"""
_ADVANCE: Final = """
    update checkpoint set sequence = $1, event_id = $2, at = $3
    where stream = $4 and projection = $5 and sequence = $6
"""
_KNOWN: Final = "select id from event where id = any($1::text[])"
_AT_ONCE: Final = 16


class Ledger:
    """Writes batches behind the checkpoint on one connection.

    After any error but those of single messages it must be thrown away, and a new one opened.
    """

    def __init__(self, *, connection: asyncpg.Connection, checkpoint: CheckpointRow) -> None:
        self._connection = connection
        self._rows = WorkingRows()
        self.checkpoint = checkpoint

    @classmethod
    async def open(cls, connection: asyncpg.Connection) -> Self:
        """Read the checkpoint; the first time, write it.

        Raises:
            OtherFoldError: the tables were made by another fold than this release's.
        """
        await connection.execute(_BEGIN, LOG.name, PROJECTION)
        (found,) = await connection.fetch(f"{CHECKPOINT.select} where stream = $1", LOG.name)
        checkpoint = CHECKPOINT.read(found)
        if checkpoint.projection != PROJECTION:
            raise OtherFoldError(
                f"the tables were made by fold {checkpoint.projection}, this release has fold {PROJECTION}; "
                "run `slipway projections rebuild`"
            )
        return cls(connection=connection, checkpoint=checkpoint)

    async def write(self, batch: Sequence[Logged]) -> list[Logged]:
        """Write a batch in log order, all behind the checkpoint; return the messages as they were folded.

        A message that the tables refuse is stored set aside, and folded into nothing.

        Raises:
            CheckpointMovedError: another process wrote meanwhile; nothing of this batch is written.
        """
        try:
            return await self._commit(batch)
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.InterfaceError) as error:
            if isinstance(error, asyncpg.InterfaceError) and not is_refusal(error):
                raise
            refusal = str(error)
        self._rows = WorkingRows()
        if len(batch) == 1:
            return await self._commit([batch[0].set_aside(refusal)])
        return [folded for logged in batch for folded in await self.write([logged])]

    async def _commit(self, batch: Sequence[Logged]) -> list[Logged]:
        async with self._connection.transaction():
            checkpoint = await self._advance(batch[-1])
            fresh = await self._new(batch)
            plan = [(logged, touches(logged)) for logged in fresh]
            wanted = (key for logged, touched in plan for key in keys(logged, touched))
            await self._rows.load(self._connection, wanted, of_targets=_targets(fresh))
            storing = asyncio.create_task(self._store(fresh))
            try:
                await self._fold(plan)
            finally:
                await storing
            await self._rows.erase(self._connection)
            await self._write(self._rows.changed())
        self._rows.settle()
        self.checkpoint = checkpoint
        return fresh

    async def _advance(self, last: Logged) -> CheckpointRow:
        before = self.checkpoint
        after = before.model_copy(update={"sequence": last.sequence, "event_id": last.id, "at": last.time})
        moved = (after.sequence, after.event_id, after.at)
        where = (before.stream, before.projection, before.sequence)
        done = await self._connection.execute(_ADVANCE, *moved, *where)
        if done != "UPDATE 1":
            raise CheckpointMovedError(
                f"the checkpoint is no longer at {before.sequence}: another process writes"
            )
        return after

    async def _new(self, batch: Sequence[Logged]) -> list[Logged]:
        """Return the messages whose ids come for the first time."""
        found = await self._connection.fetch(_KNOWN, [logged.id for logged in batch])
        known = {row["id"] for row in found}
        first = {logged.id: logged for logged in reversed(batch) if logged.id not in known}
        return [logged for logged in batch if first.get(logged.id) is logged]

    async def _store(self, fresh: Sequence[Logged]) -> None:
        rows = zip(*LOGGED.arrays(fresh), strict=True)
        names = [column.name for column in LOGGED.columns]
        await self._connection.copy_records_to_table(LOGGED.table, records=rows, columns=names)

    async def _write(self, changed: Sequence[tuple[Record[Any], Sequence[Any]]]) -> None:
        """Write the rows of all tables in one statement: each way to Postgres and back is time to wait."""
        parts: list[str] = []
        arguments: list[object] = []
        for record, rows in sorted(changed, key=lambda each: each[0].table):
            statement = record.insert_new if record.immutable else record.upsert
            parts.append(f"{quoted(f'into {record.table}')} as ({moved(statement, len(arguments))})")
            arguments += record.arrays(rows)
        if parts:
            await self._connection.execute(f"with {', '.join(parts)} select", *arguments)

    async def _fold(self, plan: Sequence[tuple[Logged, Sequence[Touch]]]) -> None:
        """Fold messages, pausing for what else this process has to do: it talks to Postgres meanwhile."""
        for place, (logged, touched) in enumerate(plan):
            fold(self._rows, logged, touched)
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)


def _targets(batch: Sequence[Logged]) -> set[str]:
    """Return the targets whose deployments the batch touches."""
    return {logged.message.target for logged in batch if isinstance(logged.message, TargetLost | TargetFound)}
