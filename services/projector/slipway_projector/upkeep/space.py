"""Looks whether there is room for what a snapshot needs in Postgres, before any of it is made."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from slipway_store.connections import connect
from slipway_store.schema import SCHEMA

from slipway_projector.upkeep.snapshot import SnapshotError

_COPIES: Final = 2
_MEGABYTE: Final = 1_000_000
_SIZE: Final = """
    select coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint from pg_class
    join pg_namespace on pg_namespace.oid = relnamespace where nspname = $1 and relkind = 'r'
"""


async def require_room(url: str, folder: Path | None) -> None:
    """Compare what two copies of the tables take with what is free where Postgres has its files.

    Nothing is required where that is not known: Postgres refuses what it has no room for, and nothing is
    removed then either.

    Raises:
        SnapshotError: there is less.
    """
    if folder is None:
        return
    connection = await connect(url)
    try:
        needed = _COPIES * await connection.fetchval(_SIZE, SCHEMA)
    finally:
        await connection.close()
    free = (await asyncio.to_thread(shutil.disk_usage, folder)).free
    if free < needed:
        raise SnapshotError(
            f"a snapshot needs room for two copies of the tables, {needed / _MEGABYTE:.1f} MB, and "
            f"{free / _MEGABYTE:.1f} MB are free in {folder}, where Postgres has its files; nothing was "
            "done. Free some there, then repeat this"
        )
