"""What accepted commands hold until the projection knows them: the api's own tables, in a schema of its own.

Schema `slipway_api` is made when it is first used and survives a rebuild of the projection. Decides nothing:
it sums, under the lock of the group and the target, and remembers what was decided under that lock.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from slipway_contracts.quota import Charge
from slipway_store.connections import UNAVAILABLE, DatabaseUnavailableError, is_refusal

SCHEMA: Final = "slipway_api"
_RESOURCES: Final = tuple(Charge.model_fields)
_LOCK: Final = 0x51_1B_3A_8  # any number that no other user of the database locks
_MIGRATIONS: Final = (
    """
    create table turn (name text primary key);
    create table reservation (
        id uuid primary key,
        command text not null,
        "group" text not null,
        deployment text not null,
        target text,
        deployments bigint not null,
        replicas bigint not null,
        cpu double precision not null,
        memory_bytes bigint not null,
        gpu bigint not null,
        behind bigint not null,
        sequence bigint,
        reserved_at timestamptz not null
    );
    create index on reservation ("group", deployment);
    create index on reservation (target);
    """,
)
_SUMS: Final = ", ".join(f"coalesce(sum({each}), 0) as {each}" for each in _RESOURCES)
_MOST: Final = ", ".join(f"max({each}) as {each}" for each in _RESOURCES)
_PROJECTED: Final = ", ".join(f"charge_{each} as {each}" for each in _RESOURCES)
_BEYOND: Final = ", ".join(
    f"greatest(open.{each} - coalesce(projected.{each}, 0), 0) as {each}" for each in _RESOURCES
)
_OWN: Final = ", ".join(
    f"greatest(max(open.{each}), max(projected.{each}), 0) as {each}" for each in _RESOURCES
)
_HELD_BY_PROJECTION: Final = "coalesce((select max(sequence) from slipway.checkpoint), 0)"
_KEYS: Final = {"group": '"group", deployment', "target": '"group", deployment, target'}


def _open(by: str, wanted: str) -> str:
    """Return what is reserved by deployment: until the projection holds the command, and charges it."""
    return f"""
    select {_KEYS[by]}, {_MOST} from reservation
    where (sequence is null or sequence > {_HELD_BY_PROJECTION}) and {wanted}
    group by {_KEYS[by]}
    """  # noqa: S608


def _charged(wanted: str) -> str:
    """Return what the projection charges by deployment."""
    return f"""
    select "group", id as deployment, target, {_PROJECTED} from slipway.deployment where {wanted}
    """  # noqa: S608


def _use(by: str, owners: str) -> str:
    """Return the query of the sum over all deployments, for each group or target of an array."""
    wanted = f'"{by}" = any({owners})'
    return f"""
    with open as ({_open(by, wanted)}), projected as ({_charged(f"{wanted} and charge_deployments > 0")})
    select owner, {_SUMS} from (
        select "{by}" as owner, {", ".join(_RESOURCES)} from projected
        union all select "{by}", {_BEYOND} from open left join projected using ({_KEYS[by]})
    ) as everything group by owner
    """  # noqa: S608


def _own(by: str, owner: str) -> str:
    """Return the query of what the deployment ($1, $2) has of that sum."""
    mine = f'"{by}" = {owner} and "group" = $1 and '
    return f"""
    with open as ({_open(by, f"{mine} deployment = $2")}), projected as ({_charged(f"{mine} id = $2")})
    select {_OWN} from open full join projected using ({_KEYS[by]})
    """  # noqa: S608


def _counted(by: str, owner: str) -> str:
    """Return the query of both, one row each."""
    columns = ", ".join(_RESOURCES)
    return f"""
    select '{by}' as limited, false as own, {columns} from ({_use(by, f"array[{owner}]")}) as whole
    union all select '{by}', true, {columns} from ({_own(by, owner)}) as part
    """  # noqa: S608


_USE_OF_GROUPS: Final = _use("group", "$1::text[]")
_USE_OF_TARGETS: Final = _use("target", "$1::text[]")
# A commit that waits for no disk takes a tenth of the time. What Postgres loses of these in a crash, the
# sweep does again, or nobody counted on it.
_CONFIRM: Final = """
    with flush as materialized (select set_config('synchronous_commit', 'off', true))
    update reservation set sequence = stored.sequence
    from flush, unnest($1::uuid[], $2::bigint[]) as stored (id, sequence) where reservation.id = stored.id
"""
_DROP: Final = """
    with flush as materialized (select set_config('synchronous_commit', 'off', true))
    delete from reservation using flush where id = $1
"""
# In one order always, or two could wait for each other.
_TAKE_TURN: Final = """
    with flush as materialized (
        select set_config(
            'synchronous_commit',
            case when $2::bool then current_setting('synchronous_commit') else 'off' end,
            true
        )
    )
    insert into turn select name from flush, unnest($1::text[]) as name order by name
    on conflict (name) do update set name = excluded.name
"""
_COUNTED: Final = f"{_counted('group', '$1::text')} union all {_counted('target', '$3::text')}"
# One statement sees one state of the tables: what it keeps is not in what it counts.
_COUNTED_AND_KEPT: Final = f"""
    with kept as (
        insert into reservation (
            "group", deployment, target, id, command, behind, {", ".join(_RESOURCES)}, reserved_at
        ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now()) on conflict (id) do nothing
    ) {_COUNTED}
"""  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class ReservationWish:
    """What a command wants to hold.

    Attributes:
        id: of this attempt; a repeat of a command is another attempt.
        command: id of the command.
        target: where it runs; None: nowhere new.
        charge: what its deployment will hold of the group's quota.
        behind: last sequence of the deployment's lane when it was decided: the command can only come later.
    """

    id: str
    command: str
    group: str
    deployment: str
    target: str | None
    charge: Charge
    behind: int


@dataclass(frozen=True, kw_only=True)
class Use:
    """What is held of one limit: by all, and the part of one deployment in it."""

    all: Charge
    own: Charge


@dataclass(frozen=True, kw_only=True)
class InDoubt:
    """A reservation of which it is not known whether its command is in the log."""

    id: str
    command: str
    group: str
    deployment: str
    behind: int


Judge = Callable[[Use, Use | None], None]
_Connection = asyncpg.Connection | PoolConnectionProxy


class Reservations:
    """Reserves; every method raises DatabaseUnavailableError when Postgres does not answer.

    Args:
        pool: connects when it is first used.
    """

    def __init__(self, *, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._ready = False
        self._making = asyncio.Lock()

    async def reserve(
        self, wish: ReservationWish, judge: Judge, *, keep: bool = True, durable: bool = True
    ) -> None:
        """Let `judge` see the use of group and target, and keep the wish unless it raises.

        Of all api processes one at a time does this for a group or a target: the locks end with the
        transaction, and the sums are taken in one statement behind them, which sees what others kept before
        and one position of the projection.
        A repeat with the same id keeps it once. What need not be `durable` may be lost when Postgres crashes.
        """
        async with self._connection() as connection, connection.transaction():
            await self._take_turn(connection, wish, durable=keep and durable)
            owner = wish.group, wish.deployment, wish.target
            if keep:
                charges = (getattr(wish.charge, each) for each in _RESOURCES)
                counted = await connection.fetch(
                    _COUNTED_AND_KEPT, *owner, wish.id, wish.command, wish.behind, *charges
                )
            else:
                counted = await connection.fetch(_COUNTED, *owner)
            judge(_found(counted, "group"), _found(counted, "target") if wish.target is not None else None)

    async def confirm(self, sequences: Mapping[str, int]) -> None:
        """Remember where the log has the commands of these reservations."""
        await self._execute(_CONFIRM, list(sequences), list(sequences.values()))

    async def drop(self, identifier: str) -> None:
        """Forget a reservation whose command is not in the log and never will be."""
        await self._execute(_DROP, identifier)

    async def drop_settled(self) -> None:
        """Forget the reservations whose commands the projection holds."""
        await self._execute(f"delete from reservation where sequence <= {_HELD_BY_PROJECTION}")  # noqa: S608

    async def in_doubt(self, *, older_than: timedelta, limit: int) -> list[InDoubt]:
        """Return unconfirmed reservations of this age, the oldest first; Postgres' clock counts."""
        rows = await self._fetch(
            'select id::text, command, "group", deployment, behind from reservation where sequence is null '
            "and reserved_at < now() - $1::interval order by reserved_at limit $2",
            older_than,
            limit,
        )
        return [InDoubt(**row) for row in rows]

    async def of_groups(self, groups: Sequence[str]) -> dict[str, Charge]:
        """Return what the deployments of each of these groups hold together."""
        return _by_owner(await self._fetch(_USE_OF_GROUPS, list(groups)))

    async def of_targets(self, targets: Sequence[str]) -> dict[str, Charge]:
        """Return what deployments hold together of each of these targets."""
        return _by_owner(await self._fetch(_USE_OF_TARGETS, list(targets)))

    async def _take_turn(self, connection: _Connection, wish: ReservationWish, *, durable: bool) -> None:
        names = [f"group/{wish.group}"] + ([f"target/{wish.target}"] if wish.target else [])
        await connection.execute(_TAKE_TURN, names, durable)

    async def _execute(self, statement: str, *arguments: object) -> None:
        async with self._connection() as connection:
            await connection.execute(statement, *arguments)

    async def _fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        async with self._connection() as connection:
            found: Sequence[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[_Connection]:
        try:
            async with self._pool.acquire() as connection:
                await self._make(connection)
                yield connection
        except UNAVAILABLE as error:
            if is_refusal(error):
                raise
            raise DatabaseUnavailableError(f"Postgres does not answer: {error!r}") from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise DatabaseUnavailableError(
                f"the api may not have its schema {SCHEMA}: {error}; grant its role CREATE on the database"
            ) from error
        except asyncpg.PostgresError as error:
            # As while the projection's tables are made, migrated or exchanged.
            raise DatabaseUnavailableError(f"Postgres refuses, run the migrations: {error}") from error

    async def _make(self, connection: _Connection) -> None:
        """Bring the schema to this release, once per process."""
        async with self._making:
            if not self._ready:
                await migrate(connection)
                self._ready = True


async def migrate(connection: _Connection) -> None:
    """Make the schema, or bring it to this release; raced by several processes, one works."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        if await connection.fetchval("select to_regnamespace($1)", SCHEMA) is None:
            await connection.execute(f"create schema {SCHEMA}")
        await connection.execute(f"create table if not exists {SCHEMA}.revision (number integer primary key)")
        done = await connection.fetchval(f"select coalesce(max(number), 0) from {SCHEMA}.revision")  # noqa: S608
        for number, statements in enumerate(_MIGRATIONS[done:], start=done + 1):
            await connection.execute(statements)
            await connection.execute(f"insert into {SCHEMA}.revision values ($1)", number)  # noqa: S608


def _found(rows: Sequence[asyncpg.Record], limited: str) -> Use:
    mine = {row["own"]: _charge(row) for row in rows if row["limited"] == limited}
    return Use(all=mine.get(False, Charge()), own=mine.get(True, Charge()))


def _by_owner(rows: Sequence[asyncpg.Record]) -> dict[str, Charge]:
    return {row["owner"]: _charge(row) for row in rows}


def _charge(row: asyncpg.Record) -> Charge:
    return Charge(**{each: row[each] for each in _RESOURCES})
