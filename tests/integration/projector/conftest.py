import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from projector_stand import Stand
from servers import PostgresServer
from slipway_chassis.event_log import EventLog


@pytest.fixture
async def stand(log: EventLog, make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Stand]:
    """A log and a database of this test alone; what is started ends with the test."""
    stand = Stand(log, await make_database())
    yield stand
    await stand.stop()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres of this test alone, without tables, to be killed at will."""
    with tempfile.TemporaryDirectory(prefix="slipway-own-postgres-") as name:
        Path(name).chmod(0o755)
        server = PostgresServer(Path(name))
        server.create()
        server.start()
        yield server
        server.stop()
