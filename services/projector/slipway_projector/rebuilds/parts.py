"""Folds the log into empty tables in several processes at once.

Starts them, awaits them, and sets the checkpoint; what they do is in `part`.
"""

import asyncio
import os
import sys
from typing import Final

import asyncpg
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_contracts.topology import LOG
from slipway_store.records import CHECKPOINT
from slipway_store.rows import CheckpointRow
from slipway_store.schema import PROJECTION

from slipway_projector.errors import OtherLogError
from slipway_projector.logged import read

_MOST: Final = 8
_LONG: Final = 20_000
"""Fewer messages are folded before other processes have started."""
_log: Final = get_logger()


async def parts_for(log: EventLog) -> int:
    """Return in how many processes the log is folded soonest: of a long one, one per processor."""
    return min(os.cpu_count() or 1, _MOST) if await log.end() > _LONG else 1


async def fold_in_parts(
    log: EventLog, connection: asyncpg.Connection, schema: str, *, parts: int, until: int | None
) -> bool:
    """Fold the log to its present end or `until`; False: a part failed, and the tables hold anything.

    Raises:
        LogUnavailableError: no answer in time.
    """
    end = await log.end()
    until = end if until is None else min(end, until)
    if until == 0:
        return True
    arguments = ("--schema", schema, "--of", str(parts), "--until", str(until))
    processes: list[asyncio.subprocess.Process] = []
    try:
        for number in range(parts):
            processes.append(await _start("--number", str(number), *arguments))  # noqa: PERF401
        codes = await asyncio.gather(*(process.wait() for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    if any(codes):
        _log.warning("a part of the rebuild failed; the log is folded as a whole", codes=codes)
        return False
    await _stand_at(log, connection, until)
    return True


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipway_projector.rebuilds.part", *arguments, stdin=asyncio.subprocess.PIPE
    )


async def _stand_at(log: EventLog, connection: asyncpg.Connection, sequence: int) -> None:
    """Write the checkpoint as one process would have left it."""
    stored = await log.get(sequence)
    if stored is None:
        raise OtherLogError(f"the log has no message {sequence}, behind which the tables would stand")
    last = read(stored)
    row = CheckpointRow(
        stream=LOG.name, projection=PROJECTION, sequence=sequence, event_id=last.id, at=last.time
    )
    await connection.execute(CHECKPOINT.upsert, *CHECKPOINT.arrays([row]))
