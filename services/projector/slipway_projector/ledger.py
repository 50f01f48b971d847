"""One transaction per batch: the checkpoint, the history, and every row that the batch changes.

The checkpoint moves first and only from where this process left it: its row is the mutex of all writers.
Knows no network but Postgres, and no time but that of the messages.
"""

from collections.abc import Sequence
from typing import Final, Self

import asyncpg
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.topology import LOG
from slipway_store.connections import is_refusal
from slipway_store.records import CHECKPOINT, LOGGED
from slipway_store.rows import CheckpointRow
from slipway_store.schema import PROJECTION

from slipway_projector.errors import CheckpointMovedError, OtherFoldError
from slipway_projector.folding import fold, keys, touches
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
            fresh = await self._insert(batch)
            plan = [(logged, touches(logged)) for logged in fresh]
            wanted = (key for logged, touched in plan for key in keys(logged, touched))
            await self._rows.load(self._connection, wanted, of_targets=_targets(fresh))
            for logged, touched in plan:
                fold(self._rows, logged, touched)
            await self._rows.erase(self._connection)
            for record, rows in self._rows.changed():
                statement = record.insert_new if record.immutable else record.upsert
                await self._connection.execute(statement, *record.arrays(rows))
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

    async def _insert(self, batch: Sequence[Logged]) -> list[Logged]:
        """Store the messages, return those whose ids came for the first time."""
        stored = await self._connection.fetch(LOGGED.insert_new, *LOGGED.arrays(batch))
        new = {found[0] for found in stored}
        return [logged for logged in batch if logged.sequence in new]


def _targets(batch: Sequence[Logged]) -> set[str]:
    """Return the targets whose deployments the batch touches."""
    return {logged.message.target for logged in batch if isinstance(logged.message, TargetLost | TargetFound)}
