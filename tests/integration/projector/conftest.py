from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from projector_stand import Stand
from slipway_chassis.event_log import EventLog


@pytest.fixture
async def stand(log: EventLog, make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Stand]:
    """A log and a database of this test alone; what is started ends with the test."""
    stand = Stand(log, await make_database())
    yield stand
    await stand.stop()
