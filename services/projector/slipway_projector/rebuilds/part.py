"""Folds a part of the log into tables that are being made anew: `python -m slipway_projector.rebuilds.part`.

What belongs to one deployment lies in one part; what belongs to none, in the first. The parts run side by
side and share nothing but the tables, of which each writes rows of its own. A message that the tables refuse
ends a part: whoever started it then folds the log as a whole. It ends with who started it: with its input.
"""

import argparse
import os
import sys
import threading
import zlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.logs import configure_logging
from slipway_contracts import subjects
from slipway_contracts.topology import LOG
from slipway_store.records import TARGET, Key, Record
from slipway_store.rows import CheckpointRow, DeploymentRow
from slipway_store.schema import PROJECTION

from slipway_projector.database import Database
from slipway_projector.ledger import Folded, Ledger, Pending, first_told, known_ids
from slipway_projector.logged import Logged, read
from slipway_projector.programs import run_command
from slipway_projector.settings import ProjectorSettings
from slipway_projector.working_rows import WorkingRows

BATCH: Final = 10_000
_LOCK: Final = "(hashtextextended('slipway rebuild part', 0))"
AT_WORK: Final = f"select pg_advisory_lock_shared{_LOCK}"
"""A part holds this as long as it may write: it may outlive who started it."""
NONE_AT_WORK: Final = f"select pg_try_advisory_lock{_LOCK}"
ENDED: Final = f"select pg_advisory_unlock{_LOCK}"
_OF_TARGETS: Final = subjects.TARGET_EVENTS.removesuffix("*")
_ORPHANED: Final = 3


@dataclass(frozen=True)
class Part:
    """One of `of` parts of the log, counted from 0."""

    number: int
    of: int

    def holds(self, subject: str) -> bool:
        """Return whether messages of this subject are of this part."""
        return self.has(*subjects.owner_of(subject))

    def has(self, group: str, deployment: str) -> bool:
        """Return whether what belongs to this deployment, or to none, is of this part."""
        if deployment == subjects.NONE:
            return self.number == 0
        return zlib.crc32(f"{group}.{deployment}".encode()) % self.of == self.number


class _Rows(WorkingRows):
    """The rows of a part: of targets it knows what its own messages said, and writes only its own."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part
        self._targets_known = True

    async def load(
        self,
        connection: asyncpg.Connection,
        keys: Iterable[tuple[Record[Any], Key]],
        *,
        of_targets: Collection[str] = (),
    ) -> None:
        wanted = list(keys)
        for record, key in wanted:
            if record is TARGET:
                # The tables began empty; what they hold of targets may be of a later position than this.
                self._known[TARGET].setdefault(key, None)
        await super().load(connection, wanted, of_targets=of_targets)

    def deployments_on(self, target: str) -> list[tuple[Key, DeploymentRow]]:
        found = super().deployments_on(target)
        return [(key, row) for key, row in found if self._part.has(row.group, row.id)]

    def changed(self) -> list[tuple[Record[Any], list[Any]]]:
        found = super().changed()
        return [each for each in found if each[0] is not TARGET or self._part.number == 0]


class PartLedger(Ledger):
    """Writes the batches of a part; moves no checkpoint: the tables have none before all parts ended."""

    def __init__(
        self, *, connection: asyncpg.Connection, part: Part, reader: asyncpg.Connection | None = None
    ) -> None:
        self._part = part
        self._foreign: set[str] = set()
        begun = CheckpointRow(stream=LOG.name, projection=PROJECTION, sequence=0, event_id="")
        super().__init__(connection=connection, checkpoint=begun, reader=reader)

    def _no_rows(self) -> WorkingRows:
        return _Rows(self._part)

    def _refusal(self, error: Exception) -> str:
        raise error

    async def _fresh(
        self, pending: Pending, batch: Sequence[Logged], reader: asyncpg.Connection
    ) -> list[Logged]:
        own = self._own(batch)
        known = pending.ids | await known_ids(reader, own)
        fresh = {logged.sequence for logged in first_told(own, known)}
        for logged in batch:
            if not self._part.holds(logged.subject) and logged.id not in self._foreign:
                self._foreign.add(logged.id)
                fresh.add(logged.sequence)
        return [logged for logged in batch if logged.sequence in fresh]

    async def _advance(self, folded: Folded) -> None:
        pass

    async def _commit(self, folded: Folded) -> None:
        await self._commit_apart(folded)

    def _history(self, fresh: list[Logged]) -> list[Logged]:
        return self._own(fresh)

    def _own(self, batch: Sequence[Logged]) -> list[Logged]:
        return [logged for logged in batch if self._part.holds(logged.subject)]


async def fold_part(log: EventLog, connection: asyncpg.Connection, part: Part, *, until: int) -> None:
    """Fold the part's messages, and those of targets, from the beginning to `until`."""
    ledger = PartLedger(connection=connection, part=part)
    batch: list[Logged] = []
    async with aclosing(log.follow(start=After(0))) as items:
        async for item in items:
            if isinstance(item, CaughtUp) or item.sequence > until:
                break
            if part.holds(item.subject) or item.subject.startswith(_OF_TARGETS):
                batch.append(read(item))
            if len(batch) == BATCH:
                await ledger.write(batch)
                batch = []
            if item.sequence == until:
                break
    if batch:
        await ledger.write(batch)


async def run(settings: ProjectorSettings, options: argparse.Namespace) -> int:
    """Fold the part that the options name; return the exit code."""
    configure_logging(service="projector", instance=settings.service_instance, level="warning")
    log_connection = await Connection.open(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name=f"slipway-projector part {options.number}",
    )
    database = Database(url=settings.database_url.get_secret_value(), schema=options.schema)
    try:
        async with database.connection() as connection:
            await connection.execute(AT_WORK)
            part = Part(options.number, options.of)
            await fold_part(EventLog(connection=log_connection), connection, part, until=options.until)
            return 0
    finally:
        await log_connection.close()


def _end_with_input() -> None:
    # Not by `sys.stdin`: a thread that waits in its buffer would abort the interpreter's own end.
    while os.read(0, 1):
        pass
    os._exit(_ORPHANED)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="slipway_projector.rebuilds.part", description="Fold a part of the log."
    )
    parser.add_argument("--schema", required=True)
    for name in ("number", "of", "until"):
        parser.add_argument(f"--{name}", type=int, required=True)
    threading.Thread(target=_end_with_input, daemon=True).start()
    options = parser.parse_args()
    return run_command(lambda settings: run(settings, options))


if __name__ == "__main__":
    sys.exit(main())
