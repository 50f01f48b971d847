"""Makes the tables anew that an older release has made; those serve until they are exchanged.

An interruption leaves nothing behind but a schema that the next attempt empties.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import asyncpg
from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_store.connections import UNAVAILABLE, connect
from slipway_store.records import EVENT
from slipway_store.schema import PROJECTION

from slipway_projector.database import REBUILT
from slipway_projector.rebuilds.parts import parts_for
from slipway_projector.rebuilds.rebuilding import rebuilt

_COUNT_SECONDS: Final = 1.0
_WRITTEN: Final = """
    select coalesce(sum(n_tup_ins), 0)::bigint from pg_stat_all_tables where schemaname = $1 and relname = $2
"""
"""Of what was committed, a second ago at most; counting rows would take as long as writing them."""

_log: Final = get_logger()


async def renew(
    log: EventLog, url: str, *, blobs: BlobStore | None, made_by: int, say: Callable[[str], None]
) -> None:
    """Make the tables anew with this release's fold, and exchange them for those that fold `made_by` made.

    Args:
        log: all that there is to fold.
        url: where the tables are.
        blobs: where snapshots are, for a log that was truncated.
        made_by: the older fold.
        say: told how far it is, once a second.

    Raises:
        RebuildError: another process makes tables anew.
        SnapshotError: the log is truncated, and its snapshot cannot be read.
        LogUnavailableError: no answer in time.
    """
    end = await log.end()
    _log.info("makes the tables anew", made_by=made_by, fold=PROJECTION, messages=end)
    begin = f"makes the tables anew, which fold {made_by} of an older release made"
    say(f"{begin}: 0 of {end} messages")
    async with (
        _counted(url, lambda written: say(f"{begin}: {min(written, end)} of {end} messages")),
        rebuilt(log, url, blobs=blobs, schema=REBUILT, parts=await parts_for(log)) as tables,
    ):
        await tables.swap()
    _log.info("the tables were made anew", fold=PROJECTION, messages=end)


@asynccontextmanager
async def _counted(url: str, say: Callable[[int], None]) -> AsyncIterator[None]:
    counting = asyncio.create_task(_count(url, say))
    try:
        yield
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError, asyncpg.PostgresError, *UNAVAILABLE):
            await counting


async def _count(url: str, say: Callable[[int], None]) -> None:
    connection = await connect(url)
    try:
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            say(await connection.fetchval(_WRITTEN, REBUILT, EVENT.table))
    finally:
        connection.terminate()
