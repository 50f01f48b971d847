"""One transaction per batch: the checkpoint, the history, and every row that the batch changes.

The checkpoint moves first and only from where this process left it: its row is the mutex of all writers.
Knows no network but Postgres, and no time but that of the messages.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Self

import asyncpg
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.topology import LOG
from slipway_store.connections import is_refusal
from slipway_store.folding import Touch, fold, keys, touches
from slipway_store.records import CHECKPOINT, LOGGED, Record, moved, quoted
from slipway_store.rows import CheckpointRow
from slipway_store.schema import PROJECTION

from slipway_projector.errors import CheckpointMovedError, NewerFoldError, OlderFoldError
from slipway_projector.logged import Logged
from slipway_projector.working_rows import WorkingRows

_BEGIN: Final = """
    insert into checkpoint (stream, projection, sequence, event_id, at) values ($1, $2, 0, '', null)
    on conflict do nothing
"""
_ADVANCE: Final = """
    with moved as (
        update checkpoint set sequence = $1, event_id = $2, at = $3
        where stream = $4 and projection = $5 and sequence = $6 returning 1
    )
    select exists (select from moved) as moved,
        array(select id from event where id = any($7::text[])) as known
"""
_AT_ONCE: Final = 128
_FEW: Final = 100
"""Up to so many messages are stored with the rows that they change: a COPY is two more ways to Postgres."""


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
            OlderFoldError: the tables were made by the fold of an older release.
            NewerFoldError: they were made by that of a newer one.
        """
        await connection.execute(_BEGIN, LOG.name, PROJECTION)
        (found,) = await connection.fetch(f"{CHECKPOINT.select} where stream = $1", LOG.name)
        checkpoint = CHECKPOINT.read(found)
        made = f"the tables were made by fold {checkpoint.projection}, this release has fold {PROJECTION}"
        if checkpoint.projection > PROJECTION:
            raise NewerFoldError(
                f"{made}: start the newer release, or run `slipway projections rebuild` to stay with this one"
            )
        if checkpoint.projection < PROJECTION:
            raise OlderFoldError(made, checkpoint=checkpoint)
        return cls(connection=connection, checkpoint=checkpoint)

    async def write(
        self, batch: Sequence[Logged], *, meanwhile: Callable[[], None] | None = None
    ) -> list[Logged]:
        """Write a batch in log order, all behind the checkpoint; return the messages as they were folded.

        A message that the tables refuse is stored set aside, and folded into nothing. Once the batch is
        folded, `meanwhile` is called: Postgres works, and this process has time for something else.

        Raises:
            CheckpointMovedError: another process wrote meanwhile; nothing of this batch is written.
        """
        try:
            return await self._commit(batch, meanwhile)
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.InterfaceError) as error:
            if isinstance(error, asyncpg.InterfaceError) and not is_refusal(error):
                raise
            refusal = str(error)
        self._rows = WorkingRows()
        if len(batch) == 1:
            return await self._commit([batch[0].set_aside(refusal)])
        async with self._connection.transaction():
            # Each in a savepoint: what belongs together is still seen together.
            return [folded for logged in batch for folded in await self.write([logged])]

    async def _commit(
        self, batch: Sequence[Logged], meanwhile: Callable[[], None] | None = None
    ) -> list[Logged]:
        async with self._connection.transaction():
            checkpoint, fresh = await self._begin(batch)
            plan = [(logged, touches(logged)) for logged in fresh]
            wanted = (key for logged, touched in plan for key in keys(logged, touched))
            await self._rows.load(self._connection, wanted, of_targets=_targets(fresh))
            await self._fold(plan)
            if meanwhile is not None:
                meanwhile()
            history = self._history(fresh)
            if len(history) > _FEW:
                await self._copy(history)
            await self._rows.erase(self._connection)
            await self._write(self._rows.changed(), history if len(history) <= _FEW else ())
        self._rows.settle()
        self.checkpoint = checkpoint
        return fresh

    async def _begin(self, batch: Sequence[Logged]) -> tuple[CheckpointRow, list[Logged]]:
        """Move the checkpoint; return it, and the messages whose ids come for the first time."""
        before, last = self.checkpoint, batch[-1]
        after = before.model_copy(update={"sequence": last.sequence, "event_id": last.id, "at": last.time})
        moved = (after.sequence, after.event_id, after.at)
        where = (before.stream, before.projection, before.sequence)
        ids = [logged.id for logged in batch]
        (found,) = await self._connection.fetch(_ADVANCE, *moved, *where, ids)
        if not found["moved"]:
            raise CheckpointMovedError(
                f"the checkpoint is no longer at {before.sequence}: another process writes"
            )
        return after, first_told(batch, found["known"])

    def _history(self, fresh: list[Logged]) -> list[Logged]:
        """Return the messages that are to be stored."""
        return fresh

    async def _copy(self, history: Sequence[Logged]) -> None:
        rows = zip(*LOGGED.arrays(history), strict=True)
        names = [column.name for column in LOGGED.columns]
        await self._connection.copy_records_to_table(LOGGED.table, records=rows, columns=names)

    async def _write(
        self, changed: Sequence[tuple[Record[Any], Sequence[Any]]], history: Sequence[Logged]
    ) -> None:
        """Write the rows of all tables in one statement: each way to Postgres and back is time to wait."""
        parts: list[str] = []
        arguments: list[object] = []
        written = [
            (record.insert_new if record.immutable else record.upsert, record, rows)
            for record, rows in sorted(changed, key=lambda each: each[0].table)
        ]
        if history:
            written.append((LOGGED.insert, LOGGED, history))
        for statement, record, rows in written:
            parts.append(f"{quoted(f'into {record.table}')} as ({moved(statement, len(arguments))})")
            arguments += record.arrays(rows)
        if parts:
            await self._connection.execute(f"with {', '.join(parts)} select", *arguments)

    async def _fold(self, plan: Sequence[tuple[Logged, Sequence[Touch]]]) -> None:
        """Fold messages, pausing now and then for what else this process has to do."""
        for place, (logged, touched) in enumerate(plan):
            fold(self._rows, logged, touched)
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)


def first_told(batch: Sequence[Logged], known: Collection[str]) -> list[Logged]:
    """Return the messages with ids that are not known; of several with the same the first."""
    there = set(known)
    first = {logged.id: logged for logged in reversed(batch) if logged.id not in there}
    return [logged for logged in batch if first.get(logged.id) is logged]


def _targets(batch: Sequence[Logged]) -> set[str]:
    """Return the targets whose deployments the batch touches."""
    return {logged.message.target for logged in batch if isinstance(logged.message, TargetLost | TargetFound)}
