"""Positions: written by the one that holds the lease, for what is skipped too, and kept while in doubt."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from math import inf

import pytest
from eventually import eventually
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LeaseLostError
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.jetstream_api import publish
from slipway_chassis.leases import Lease
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.installation_events import GroupConfigured, WebhookConfigured
from slipway_contracts.topology import WEBHOOKS
from slipway_contracts.webhooks import WebhookProgress
from slipway_notifier.progress_store import ProgressStore
from webhook_world import Receiver, WebhookWorld


def store(connection: Connection, epoch: int) -> ProgressStore:
    """Return the store of a notifier that believes, perhaps too long, to have the lease."""
    return ProgressStore(
        records=Heartbeats(connection=connection, bucket=WEBHOOKS.name),
        lease=Lease(name="notifier", epoch=epoch, valid_until=inf),
        interval=timedelta(0),
        lazily=timedelta(0),
    )


def at(position: int) -> WebhookProgress:
    return WebhookProgress(begun=1, revision=1, position=position)


async def write(positions: ProgressStore, webhook: str, progress: WebhookProgress) -> None:
    positions.note(webhook, progress)
    await positions.flush()


async def test_who_slept_through_the_end_of_its_lease_writes_nothing_over_its_successor(
    connection: Connection,
) -> None:
    old, new = store(connection, 3), store(connection, 7)
    await write(old, "hook", at(10))
    assert (await new.load())["hook"].position == 10
    await write(new, "hook", at(30))

    with pytest.raises(LeaseLostError, match="another notifier"):
        await write(old, "hook", at(20))

    assert (await new.load())["hook"].position == 30


async def test_a_late_write_between_the_successors_reading_and_writing_does_not_stop_it(
    connection: Connection,
) -> None:
    old, new = store(connection, 3), store(connection, 7)
    await write(old, "hook", at(10))
    await new.load()
    await write(old, "hook", at(20))

    await write(new, "hook", at(30))

    assert (await new.load())["hook"].position == 30
    with pytest.raises(LeaseLostError):
        await write(old, "hook", at(25))


async def test_a_position_whose_writing_was_cancelled_is_written_with_the_next(
    connection: Connection, fresh_nats: NatsServer
) -> None:
    positions = store(connection, 3)
    positions.note("hook", at(10))
    await asyncio.to_thread(fresh_nats.kill9)
    await eventually(lambda: connection.problem)
    writing = asyncio.create_task(positions.flush())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writing, timeout=0.2)
    await asyncio.to_thread(fresh_nats.start)

    await positions.flush()

    assert (await store(connection, 7).load())["hook"].position == 10


async def test_who_slept_brings_no_removed_position_back(connection: Connection) -> None:
    old, new = store(connection, 3), store(connection, 7)
    await write(old, "hook", at(10))
    await new.load()
    new.forget("hook")
    await new.flush()

    with pytest.raises(LeaseLostError):
        await write(old, "hook", at(20))

    assert await new.load() == {}


async def test_a_position_written_before_there_were_epochs_is_taken_over(connection: Connection) -> None:
    records = Heartbeats(connection=connection, bucket=WEBHOOKS.name)
    await records.beat("hook", b'{"begun": 1, "revision": 1, "position": 5}')
    new = store(connection, 7)

    assert (await new.load())["hook"].position == 5
    await write(new, "hook", at(6))

    assert (await store(connection, 8).load())["hook"] == at(6).model_copy(update={"epoch": 7})


@asynccontextmanager
async def busy(world: WebhookWorld) -> AsyncIterator[list[int]]:
    """Let events happen without a pause, of types that nobody wants."""
    sent: list[int] = []

    async def go_on() -> None:
        while True:
            sent.extend(await world.happen())

    task = asyncio.create_task(go_on())
    try:
        yield sent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def has_more(sent: list[int], count: int) -> bool:
    return len(sent) >= count


async def test_what_is_skipped_on_a_busy_log_is_noted_so_that_a_restart_does_not_read_it_again(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url, types=("group",))
    notifier = await world.start(skipped_interval="PT0.2S")

    async with busy(world) as sent:
        for _ in range(3):
            seen = len(sent)
            await eventually(partial(has_more, sent, seen + 20), timeout=30)
            await eventually(partial(world.has_delivered, hook, sent[-1]), timeout=20)
        await notifier.end(signal.SIGKILL)

    await world.start()
    wanted = await world.tell(GroupConfigured(group="default"))
    await eventually(lambda: receiver.sequences == [wanted])


async def publish_unreadable(world: WebhookWorld, webhook: str, url: str) -> int:
    """Publish a configuration as only a later release can read it."""
    known = WebhookConfigured(group="default", webhook=webhook, url=url, secret=1, by="ada")
    envelope = Envelope(
        id=new_id(), type=known.type, source="/slipway/api", subject="default/hook", time=now()
    )
    body = json.dumps({**known.model_dump(mode="json"), "format": "of-tomorrow"}).encode()
    subject = "slipway.default._.evt.webhook.configured"
    answer = await publish(world.connection, subject, body, headers=envelope.to_headers(), within=5)
    return int(answer["seq"])


async def test_a_position_whose_configuration_cannot_be_read_is_kept_until_it_can(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    webhook = new_id()
    sequence = await publish_unreadable(world, webhook, receiver.url)
    missed = await world.happen(2)
    left = WebhookProgress(begun=sequence, revision=sequence, position=sequence)
    await world.note_progress(left, webhook)
    await world.hook(other.url, types=("release",))
    await world.start()
    missed += await world.happen()
    await eventually(lambda: other.sequences == missed[-1:])

    readable = await world.hook(receiver.url, webhook=webhook, types=("release",))

    assert await world.progress(readable) is not None
    await eventually(lambda: receiver.sequences == missed)


async def test_nothing_is_sent_by_an_old_configuration_while_the_newest_cannot_be_read(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    hook = await world.hook(receiver.url, types=("release",))
    await world.hook(other.url, types=("release",))
    await world.start()
    sent = await world.happen()
    await eventually(lambda: receiver.sequences == other.sequences == sent)

    await publish_unreadable(world, hook.configured.webhook, receiver.url)
    sent += await world.happen(3)
    await eventually(lambda: other.sequences == sent)
    assert receiver.sequences == sent[:1]

    await world.change(hook)
    await eventually(lambda: receiver.sequences == sent)
