from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from webhook_world import Receiver, WebhookWorld, receiving


@pytest.fixture
async def world(
    connection: Connection, log: EventLog, fresh_nats: NatsServer, tmp_path: Path
) -> AsyncIterator[WebhookWorld]:
    """A log of this test alone; its notifiers end with it."""
    world = WebhookWorld(connection=connection, log=log, folder=tmp_path, nats_url=fresh_nats.url)
    yield world
    await world.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
