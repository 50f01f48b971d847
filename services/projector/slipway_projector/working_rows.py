"""The rows that the fold works on, in memory: loaded once, changed by folds, taken to be written.

Holds what the last batches touched; whoever uses it drops it after any failure, never repairs it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from pydantic import ValidationError
from slipway_store.folds.deployments import settled
from slipway_store.records import DEPLOYMENT, HISTORY, TARGET, Key, R, Record, moved
from slipway_store.rows import DeploymentRow

from slipway_projector.errors import UnreadableRowError

_MOST_KEPT: Final = 2000


@dataclass(frozen=True)
class Changes:
    """What a batch changes in the tables.

    Attributes:
        rows: those to be written, by table.
        erased: (group, deployment, sequence) of history that goes before the rows are written.
    """

    rows: Sequence[tuple[Record[Any], Sequence[Any]]] = ()
    erased: Sequence[tuple[str, str, int]] = ()


class WorkingRows:
    """A cache of rows by record and key; a key that was looked for and not found is known as absent."""

    def __init__(self) -> None:
        self._known: dict[Record[Any], dict[Key, Any]] = defaultdict(dict)
        self._changed: dict[Record[Any], set[Key]] = defaultdict(set)
        self._erased: list[tuple[str, str, int]] = []
        self._targets_known = False

    async def load(
        self,
        connection: asyncpg.Connection,
        keys: Iterable[tuple[Record[Any], Key]],
        *,
        of_targets: Collection[str] = (),
    ) -> None:
        """Read what is not known yet: all targets, these rows, and all deployments of these targets.

        Raises:
            UnreadableRowError: somebody else wrote a row.
        """
        missing: dict[Record[Any], dict[Key, None]] = defaultdict(dict)
        if not self._targets_known:
            self._keep(TARGET, await connection.fetch(TARGET.select))
            self._targets_known = True
        for record, key in keys:
            if key not in self._known[record]:
                missing[record][key] = None
        await self._load_missing(connection, missing)
        if of_targets:
            query = f"{DEPLOYMENT.select} where target = any($1::text[])"
            self._keep(DEPLOYMENT, await connection.fetch(query, list(of_targets)))

    async def _load_missing(
        self, connection: asyncpg.Connection, missing: Mapping[Record[Any], Mapping[Key, None]]
    ) -> None:
        """Read rows of all tables in one statement: each way to Postgres and back is time to wait."""
        parts: list[str] = []
        arguments: list[list[object]] = []
        records = {record.table: record for record in sorted(missing, key=lambda record: record.table)}
        for table, record in records.items():
            select = moved(record.select_keys, len(arguments))
            parts.append(f"select '{table}' as name, to_jsonb(found) as row from ({select}) as found")  # noqa: S608
            arguments += [list(column) for column in zip(*missing[record], strict=True)]
            self._known[record].update(missing[record])
        for name, row in await connection.fetch(" union all ".join(parts), *arguments) if parts else ():
            self._keep(records[name], [row], records[name].row.model_validate_json)

    def _keep(self, record: Record[R], found: Iterable[Any], read: Callable[[Any], R] | None = None) -> None:
        known = self._known[record]
        for each in found:
            try:
                row = (read or record.read)(each)
            except ValidationError as error:
                raise UnreadableRowError(
                    f"table {record.table} holds a row that no fold made: {error.title}, "
                    f"{error.error_count()} wrong values; run `slipway projections rebuild`"
                ) from error
            key = record.key_of(row)
            # A row in memory is never older than its table.
            if known.get(key) is None:
                known[key] = row

    def get(self, record: Record[R], key: Key) -> R | None:
        """Return a loaded row; None where there is none.

        Raises:
            KeyError: it was not loaded.
        """
        row: R | None = self._known[record][key]
        return row

    def put(self, record: Record[R], key: Key, row: R) -> None:
        """Replace the row of a key."""
        self._known[record][key] = row
        self._changed[record].add(key)

    def erase_history(self, group: str, deployment: str, *, before: int) -> None:
        """Forget the history of a deployment up to a position; it goes from the tables with `take`."""
        for history in HISTORY:
            known = self._known[history.record]
            for key, row in known.items():
                if row is not None and history.covers(row, group, deployment, before):
                    known[key] = None
                    self._changed[history.record].discard(key)
        self._erased.append((group, deployment, before))

    def deployments_on(self, target: str) -> list[tuple[Key, DeploymentRow]]:
        """Return the loaded deployments of a target by their keys."""
        rows = self._known[DEPLOYMENT].items()
        return [(key, row) for key, row in rows if row is not None and row.target == target]

    def changed(self) -> list[tuple[Record[Any], list[Any]]]:
        """Return what was put since the last `take`, the status of deployments derived."""
        lost = self._lost_targets()
        deployments = self._known[DEPLOYMENT]
        for key in self._changed[DEPLOYMENT]:
            deployments[key] = settled(deployments[key], lost)
        return [
            (record, [self._known[record][key] for key in keys])
            for record, keys in self._changed.items()
            if keys
        ]

    def take(self) -> Changes:
        """Return what was changed since the last call; when there are many rows, keep those only."""
        changes = Changes(self.changed(), self._erased)
        for record, known in self._known.items():
            if record is not TARGET and len(known) > _MOST_KEPT:
                self._known[record] = {key: known[key] for key in self._changed[record]}
        self._changed.clear()
        self._erased = []
        return changes

    def _lost_targets(self) -> Collection[str]:
        return {row.name for row in self._known[TARGET].values() if row is not None and row.lost_since}
