"""The notifier as the user of NATS that it is in an installation: what it does is within its rights."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from eventually import eventually
from pydantic import SecretStr
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.provision import provision
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged, WebhookRemoved
from slipway_standalone.credentials import NATS_PROVISIONER
from slipway_standalone.nats import SERVICES, configuration
from webhook_world import Receiver, WebhookWorld


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[WebhookWorld]:
    """A log in which each service may do only what the topology says."""
    passwords = {user: f"of-{user}" for user in (*SERVICES, NATS_PROVISIONER)}
    whole = json.loads(configuration(port=0, passwords=passwords, store="", limit_bytes=0))
    server = NatsServer(tmp_path / "nats", config=json.dumps({"authorization": whole["authorization"]}))
    server.start()
    connection = await Connection.open(
        url=server.url, user=NATS_PROVISIONER, password=SecretStr(passwords[NATS_PROVISIONER]), name="test"
    )
    await provision(connection)
    log = EventLog(connection=connection)
    world = WebhookWorld(connection=connection, log=log, folder=tmp_path, nats_url=server.url)
    yield world
    await world.stop()
    await connection.close()
    server.stop()


async def test_it_delivers_answers_a_ping_and_removes_what_is_gone(
    guarded: WebhookWorld, receiver: Receiver
) -> None:
    hook = await guarded.hook(receiver.url, types=("release",))
    await guarded.start(nats_user="notifier", nats_password="of-notifier")  # noqa: S106
    (sent,) = await guarded.happen()
    await eventually(lambda: receiver.sequences == [sent], timeout=30)

    ping = await guarded.tell(WebhookPinged(group="default", webhook=hook.configured.webhook, by="ada"))

    async def answered() -> bool:
        stored = await guarded.log.last("slipway.*._.evt.webhook.answered")
        answer = stored.message if stored else None
        return isinstance(answer, WebhookAnswered) and (answer.ping, answer.status) == (ping, 204)

    await eventually(answered, timeout=30)
    receiver.status = 410
    await guarded.happen()

    async def is_forgotten() -> bool:
        stored = await guarded.log.last("slipway.*._.evt.webhook.removed")
        told = stored is not None and isinstance(stored.message, WebhookRemoved)
        return told and await guarded.progress(hook) is None and not await guarded.has_secret(hook)

    await eventually(is_forgotten, timeout=30)
