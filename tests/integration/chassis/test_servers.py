"""The servers that tests are given."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from eventually import eventually
from servers import PostgresServer

MakeDatabase = Callable[[], Awaitable[str]]


async def test_two_databases_know_nothing_of_each_other(make_database: MakeDatabase) -> None:
    first, second = [await asyncpg.connect(await make_database()) for _ in range(2)]

    await first.execute("create table mine (id int)")

    assert await second.fetchval("select to_regclass('mine')") is None
    await first.close()
    await second.close()


async def test_postgres_keeps_its_data_over_a_kill(own_postgres: PostgresServer) -> None:
    before = await asyncpg.connect(own_postgres.url())
    await before.execute("create table kept (id int)")
    before.terminate()

    await asyncio.to_thread(own_postgres.restart)

    async def there() -> bool:
        after = await asyncpg.connect(own_postgres.url())
        try:
            return bool(await after.fetchval("select to_regclass('kept') is not null"))
        finally:
            await after.close()

    assert await eventually(there)
