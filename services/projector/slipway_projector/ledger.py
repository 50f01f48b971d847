"""One transaction per batch: the checkpoint, the history, and every row that the batch changes.

The checkpoint moves first and only from where this process left it: its row is the mutex of all writers.
Knows no network but Postgres, and no time but that of the messages.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import asyncpg
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.topology import LOG
from slipway_store.connections import is_refusal
from slipway_store.folding import Touch, fold, keys, touches
from slipway_store.records import CHECKPOINT, HISTORY, LOGGED, Record, moved, quoted
from slipway_store.rows import CheckpointRow
from slipway_store.schema import PROJECTION

from slipway_projector.errors import CheckpointMovedError, NewerFoldError, OlderFoldError
from slipway_projector.logged import Logged
from slipway_projector.working_rows import Changes, WorkingRows

_BEGIN: Final = """
    insert into checkpoint (stream, projection, sequence, event_id, at) values ($1, $2, 0, '', null)
    on conflict do nothing
"""
_ADVANCE: Final = """
    update checkpoint set sequence = $1, event_id = $2, at = $3
    where stream = $4 and projection = $5 and sequence = $6 returning 1
"""
_UNLESS_MOVED: Final = "select 1 / count(*) from advanced"
"""The end of a statement that fails as a whole, by a division by zero, where the checkpoint did not advance.

Postgres has run what this reads before it begins with the other parts.
"""
_KNOWN: Final = "select id from event where id = any($1::text[])"
_AT_ONCE: Final = 128
_FEW: Final = 100
"""Up to so many messages are written in one statement: each further one is a way to Postgres and back."""
_REFUSALS: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, asyncpg.InterfaceError)


@dataclass
class Pending:
    """The tables as they will be once every folded batch is stored.

    Attributes:
        checkpoint: where they will stand.
        rows: what they will hold.
        ids: those of the last batch, which may not be in the tables yet.
        erases: whether that batch deletes rows, which may still be in the tables.
    """

    checkpoint: CheckpointRow
    rows: WorkingRows
    ids: set[str] = field(default_factory=set)
    erases: bool = False


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A batch that was folded and is to be stored, or what Postgres refused while it was folded."""

    batch: Sequence[Logged]
    pending: Pending
    before: CheckpointRow
    after: CheckpointRow
    fresh: list[Logged] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    refusal: str | None = None


class Ledger:
    """Writes batches behind the checkpoint.

    Of two batches that are written at once, the second is folded while Postgres takes the first: that needs
    `reader`, another connection to the same tables. After any error but those of single messages it must be
    thrown away, and a new one opened.
    """

    def __init__(
        self,
        *,
        connection: asyncpg.Connection,
        checkpoint: CheckpointRow,
        reader: asyncpg.Connection | None = None,
    ) -> None:
        self._connection = connection
        self._reader = reader or connection
        self._folding = asyncio.Lock()
        self._storing = asyncio.Lock()
        self.checkpoint = checkpoint
        self._pending = self._nothing_pending()

    @classmethod
    async def open(cls, connection: asyncpg.Connection, *, reader: asyncpg.Connection | None = None) -> Self:
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
        return cls(connection=connection, checkpoint=checkpoint, reader=reader)

    async def write(self, batch: Sequence[Logged]) -> list[Logged]:
        """Write a batch in log order, all behind the checkpoint; return the messages as they were folded.

        A message that the tables refuse is stored set aside, and folded into nothing. Batches are written in
        the order of the calls.

        Raises:
            CheckpointMovedError: another process wrote meanwhile; nothing of this batch is written.
        """
        async with self._folding:
            if self._pending.erases:
                await self._stored()
            folded = await self._folded(batch)
            await self._storing.acquire()
            try:
                if folded.pending is not self._pending:
                    # Of the batch before, a message was set aside: this one was folded into other rows.
                    folded = await self._folded(batch)
            except BaseException:
                self._storing.release()
                raise
        try:
            return await self._store(folded)
        finally:
            self._storing.release()

    async def _stored(self) -> None:
        """Wait until the batch before is stored."""
        async with self._storing:
            pass

    async def _folded(self, batch: Sequence[Logged]) -> Folded:
        pending = self._pending
        try:
            return await self._fold(pending, batch, self._reader)
        except _REFUSALS as error:
            at = pending.checkpoint
            return Folded(batch=batch, pending=pending, before=at, after=at, refusal=self._refusal(error))

    async def _store(self, folded: Folded) -> list[Logged]:
        refusal = folded.refusal
        if refusal is None:
            try:
                await self._commit(folded)
            except _REFUSALS as error:
                refusal = self._refusal(error)
            else:
                self.checkpoint = folded.after
                return folded.fresh
        async with self._connection.transaction():
            # Each in a savepoint: what belongs together is still seen together.
            self._pending = self._nothing_pending()
            return [stored for logged in folded.batch for stored in await self._store_one(logged)]

    async def _store_one(self, logged: Logged) -> list[Logged]:
        try:
            folded = await self._store_alone(logged)
        except _REFUSALS as error:
            self._pending = self._nothing_pending()
            folded = await self._store_alone(logged.set_aside(self._refusal(error)))
        self.checkpoint = folded.after
        return folded.fresh

    async def _store_alone(self, logged: Logged) -> Folded:
        async with self._connection.transaction():
            folded = await self._fold(self._pending, [logged], self._connection)
            await self._write_apart(folded)
        return folded

    def _nothing_pending(self) -> Pending:
        """Return the tables as they are, none of whose rows was read yet."""
        return Pending(self.checkpoint, self._no_rows())

    def _no_rows(self) -> WorkingRows:
        return WorkingRows()

    async def _fold(self, pending: Pending, batch: Sequence[Logged], reader: asyncpg.Connection) -> Folded:
        fresh = await self._fresh(pending, batch, reader)
        plan = [(logged, touches(logged)) for logged in fresh]
        wanted = (key for logged, touched in plan for key in keys(logged, touched))
        await pending.rows.load(reader, wanted, of_targets=_targets(fresh))
        await _fold_each(pending.rows, plan)
        before, last = pending.checkpoint, batch[-1]
        after = before.model_copy(update={"sequence": last.sequence, "event_id": last.id, "at": last.time})
        changes = pending.rows.take()
        pending.checkpoint, pending.erases = after, bool(changes.erased)
        pending.ids = {logged.id for logged in fresh}
        return Folded(batch=batch, pending=pending, before=before, after=after, fresh=fresh, changes=changes)

    async def _fresh(
        self, pending: Pending, batch: Sequence[Logged], reader: asyncpg.Connection
    ) -> list[Logged]:
        """Return the messages whose ids come for the first time."""
        return first_told(batch, pending.ids | await known_ids(reader, batch))

    async def _commit(self, folded: Folded) -> None:
        if len(folded.fresh) > _FEW or folded.changes.erased:
            await self._commit_apart(folded)
            return
        parts, arguments = _inserts(folded.changes.rows, folded.fresh, after=_position(folded))
        together = ", ".join((f"advanced as ({_ADVANCE})", *parts))
        try:
            await self._connection.execute(f"with {together} {_UNLESS_MOVED}", *arguments)
        except asyncpg.DivisionByZeroError:
            raise _checkpoint_moved(folded) from None

    async def _commit_apart(self, folded: Folded) -> None:
        async with self._connection.transaction():
            await self._write_apart(folded)

    async def _write_apart(self, folded: Folded) -> None:
        """Write in several statements of one transaction."""
        await self._advance(folded)
        history = self._history(folded.fresh)
        if len(history) > _FEW:
            await self._copy(history)
            history = []
        for owner in folded.changes.erased:
            for erased in HISTORY:
                await self._connection.execute(erased.delete, *owner)
        parts, arguments = _inserts(folded.changes.rows, history)
        if parts:
            await self._connection.execute(f"with {', '.join(parts)} select", *arguments)

    async def _advance(self, folded: Folded) -> None:
        if not await self._connection.fetchval(_ADVANCE, *_position(folded)):
            raise _checkpoint_moved(folded)

    def _refusal(self, error: Exception) -> str:
        """Return what the tables refuse; raise what has nothing to do with a message."""
        if isinstance(error, asyncpg.InterfaceError) and not is_refusal(error):
            raise error
        return str(error)

    def _history(self, fresh: list[Logged]) -> list[Logged]:
        """Return the messages that are to be stored."""
        return fresh

    async def _copy(self, history: Sequence[Logged]) -> None:
        rows = zip(*LOGGED.arrays(history), strict=True)
        names = [column.name for column in LOGGED.columns]
        await self._connection.copy_records_to_table(LOGGED.table, records=rows, columns=names)


async def known_ids(connection: asyncpg.Connection, batch: Sequence[Logged]) -> set[str]:
    """Return which ids of these messages the tables hold."""
    return {row["id"] for row in await connection.fetch(_KNOWN, [logged.id for logged in batch])}


def first_told(batch: Sequence[Logged], known: Collection[str]) -> list[Logged]:
    """Return the messages with ids that are not known; of several with the same the first."""
    first = {logged.id: logged for logged in reversed(batch) if logged.id not in known}
    return [logged for logged in batch if first.get(logged.id) is logged]


async def _fold_each(rows: WorkingRows, plan: Sequence[tuple[Logged, Sequence[Touch]]]) -> None:
    """Fold messages, pausing now and then for what else this process has to do."""
    for place, (logged, touched) in enumerate(plan):
        fold(rows, logged, touched)
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)


def _inserts(
    changed: Sequence[tuple[Record[Any], Sequence[Any]]],
    history: Sequence[Logged],
    *,
    after: Sequence[object] = (),
) -> tuple[list[str], list[object]]:
    """Return the parts of one statement that writes rows of all tables, and the arguments, `after` first.

    Each statement of its own would be a way to Postgres and back to wait for.
    """
    written = [
        (record.insert_new if record.immutable else record.upsert, record, rows)
        for record, rows in sorted(changed, key=lambda each: each[0].table)
    ]
    if history:
        written.append((LOGGED.insert, LOGGED, history))
    parts: list[str] = []
    arguments = [*after]
    for statement, record, rows in written:
        parts.append(f"{quoted(f'into {record.table}')} as ({moved(statement, len(arguments))})")
        arguments += record.arrays(rows)
    return parts, arguments


def _position(folded: Folded) -> tuple[object, ...]:
    before, after = folded.before, folded.after
    return after.sequence, after.event_id, after.at, before.stream, before.projection, before.sequence


def _checkpoint_moved(folded: Folded) -> CheckpointMovedError:
    return CheckpointMovedError(
        f"the checkpoint is no longer at {folded.before.sequence}: another process writes"
    )


def _targets(batch: Sequence[Logged]) -> set[str]:
    """Return the targets whose deployments the batch touches."""
    return {logged.message.target for logged in batch if isinstance(logged.message, TargetLost | TargetFound)}
