"""Connections to the projection's database: how they are made, and which errors mean "not now".

Runs no statement of its own.
"""

import re
from typing import Any, Final

import asyncpg

from slipway_store.schema import SCHEMA

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CONNECT_SECONDS: Final = 5.0
_LARGEST_STATEMENT: Final = 1 << 16  # bytes; asyncpg plans a larger one than this anew each time
# A plan for any arguments does not know how many rows a filter leaves, nor how few rows a page has: it sorts
# everything. Pages in an index' order touch few pages of the table, and those are in memory.
_PLAN_EACH: Final = {
    "plan_cache_mode": "force_custom_plan",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
}

# asyncpg raises InternalClientError for a server that died in the middle of an answer, and InterfaceError for
# a connection that was closed under a statement: https://github.com/MagicStack/asyncpg/issues/421
UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a statement raises when Postgres is gone, going, starting or full: the same one may succeed later."""


def is_refusal(error: Exception) -> bool:
    """Return whether asyncpg itself refused an address or an argument, also as an InterfaceError."""
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


class DatabaseUnavailableError(Exception):
    """Postgres did not answer; try again later."""


def schema_name(name: str) -> str:
    """Return `name`.

    Raises:
        ValueError: it is no plain identifier.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no schema name; use lower case letters, digits and _")
    return name


class _Unset(asyncpg.Connection):
    """A connection that sets nothing for its session, so that nothing has to be reset between two users."""

    def get_reset_query(self) -> str:
        """Return no statement: open transactions are rolled back without one."""
        return ""


def _options(schema: str, statement_seconds: float) -> dict[str, Any]:
    return {
        "timeout": _CONNECT_SECONDS,
        "command_timeout": statement_seconds,
        "max_cacheable_statement_size": _LARGEST_STATEMENT,
        "server_settings": {
            "search_path": schema_name(schema),
            "jit": "off",
            # A holder of locks whose host vanished is noticed by the server within half a minute.
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        },
    }


async def connect(url: str, *, schema: str = SCHEMA, statement_seconds: float = 60.0) -> asyncpg.Connection:
    """Connect, with `schema` as the place of all tables; raises one of `UNAVAILABLE` or a PostgresError."""
    return await asyncpg.connect(url, **_options(schema, statement_seconds))


async def open_pool(
    url: str,
    *,
    schema: str = SCHEMA,
    most: int = 8,
    statement_seconds: float = 15.0,
    idle_seconds: float = 10.0,
    plan_each: bool = False,
) -> asyncpg.Pool:
    """Open a pool that connects when it is first used, so that a process starts while Postgres is away.

    With `plan_each` a statement is planned anew for the arguments of each run. The server ends a transaction
    in which nothing happened for `idle_seconds`: a process that stands still holds no locks for ever.
    Whoever uses a connection leaves neither session settings nor session locks on it.
    """
    options = _options(schema, statement_seconds)
    options["server_settings"]["idle_in_transaction_session_timeout"] = str(round(idle_seconds * 1000))
    if plan_each:
        options["server_settings"] |= _PLAN_EACH
    return await asyncpg.create_pool(url, min_size=0, max_size=most, connection_class=_Unset, **options)
