"""How reads run their statements: on a pool, once more where that helps. Knows no table."""

from typing import Any

import asyncpg

from slipway_store.connections import UNAVAILABLE, DatabaseUnavailableError, is_refusal
from slipway_store.filters import Filter
from slipway_store.records import R, Record


class Statements:
    """Runs statements on a pool and reads what they find.

    Every method raises DatabaseUnavailableError when Postgres does not answer, after one repetition.
    """

    def __init__(self, *, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def _one(
        self, record: Record[R], wanted: Filter, select: str | None = None, order: str | None = None
    ) -> R | None:
        ordered = f" order by {order}" if order else ""
        found = await self._fetch(f"{select or record.select}{wanted}{ordered} limit 1", *wanted.arguments)
        return record.read(found[0]) if found else None

    async def _page(
        self,
        record: Record[R],
        wanted: Filter,
        order: str,
        limit: int | None = None,
        select: str | None = None,
    ) -> list[R]:
        arguments = [*wanted.arguments, limit]
        query = f"{select or record.select}{wanted} order by {order} limit ${len(arguments)}::bigint"
        return [record.read(found) for found in await self._fetch(query, *arguments)]

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        """Run a query; once more when its connection, or the plan kept on it, turned out to be stale."""
        for last in (False, True):
            try:
                return await self._pool.fetch(query, *arguments)
            except asyncpg.InvalidCachedStatementError:
                if last:
                    raise
            except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
                problem = "the tables are not there yet, or older than this release; run the migrations"
                raise DatabaseUnavailableError(problem) from error
            except UNAVAILABLE as error:
                if is_refusal(error):
                    raise
                if last or isinstance(error, TimeoutError):
                    raise DatabaseUnavailableError(f"Postgres does not answer: {error!r}") from error
        raise AssertionError("unreachable")
