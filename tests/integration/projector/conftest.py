from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from log_keeper import Keeper
from projector_stand import Stand
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog


@pytest.fixture
async def stand(log: EventLog, make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Stand]:
    """A log and a database of this test alone; what is started ends with the test."""
    stand = Stand(log, await make_database())
    yield stand
    await stand.stop()


@pytest.fixture
async def keeper(stand: Stand, fresh_nats: NatsServer, connection: Connection, tmp_path: Path) -> Keeper:
    """An operator of that log, whose server forgets ids at once, and whose messages nobody waits for."""
    keeper = Keeper(stand, fresh_nats, connection, tmp_path / "blobs")
    await keeper.remember_ids_for(0.1)
    await keeper.forget_durables()
    return keeper
