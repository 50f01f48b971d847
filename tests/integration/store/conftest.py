from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from slipway_store.connections import connect
from slipway_store.queries import Reads, open_reads
from store_world import World


@pytest.fixture
async def world(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[World]:
    url = await make_database()
    connection = await connect(url)
    yield World(connection, url)
    await connection.close()


@pytest.fixture
async def reads(world: World) -> AsyncIterator[Reads]:
    reads = await open_reads(world.url)
    yield reads
    await reads.close()
