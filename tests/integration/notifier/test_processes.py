"""Notifiers that are killed, doubled, cut off from the log, or stopped: nothing is lost."""

import asyncio
import random
import signal
from functools import partial

from eventually import eventually
from servers import NatsServer
from webhook_world import Notifier, Receiver, WebhookWorld


def has_taken(receiver: Receiver, sequence: int) -> bool:
    return sequence in receiver.sequences


async def test_killed_again_and_again_it_loses_nothing_and_repeats_only_what_was_not_noted(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    moments = random.Random(7)  # noqa: S311
    sent: list[int] = []
    kills, noted = 0, {}

    while kills < 5:
        notifier = await world.start()
        sent += await world.happen(40)
        enough = sent[-1 - moments.randrange(30)]
        await eventually(partial(has_taken, receiver, enough), timeout=20)
        await notifier.end(signal.SIGKILL)
        noted[len(receiver.taken)] = await world.progress(hook)
        kills += 1

    await world.start()
    await eventually(lambda: receiver.sequences[-1:] == sent[-1:], timeout=20)

    for taken, progress in noted.items():
        assert progress is not None
        assert all(sequence > progress.position for sequence in receiver.sequences[taken:])
    first_seen = list(dict.fromkeys(receiver.sequences))
    assert first_seen == sent
    ids = {delivery.sequence: delivery.headers["webhook-id"] for delivery in receiver.taken}
    assert all(ids[each.sequence] == each.headers["webhook-id"] for each in receiver.taken)


async def test_what_is_noted_is_not_sent_again_after_a_clean_end(
    world: WebhookWorld, receiver: Receiver
) -> None:
    await world.hook(receiver.url)
    first = await world.start()
    sent = await world.happen(30)
    await eventually(lambda: receiver.sequences == sent)

    assert await first.end(signal.SIGTERM) == 0
    await world.start()
    sent += await world.happen()
    await eventually(lambda: receiver.sequences[-1] == sent[-1])

    assert receiver.sequences == sent


async def test_of_two_notifiers_one_sends_and_the_other_takes_over(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    both = [await world.start(), await world.start()]
    sent = await world.happen(10)
    await eventually(lambda: receiver.sequences == sent)
    await eventually(partial(world.has_delivered, hook, sent[-1]))
    (active,) = [each for each in both if each.is_active()]

    await active.end(signal.SIGKILL)
    sent += await world.happen(10)
    await eventually(lambda: len(receiver.taken) == 20, timeout=20)

    assert receiver.sequences == sent


async def test_a_wait_survives_a_restart(world: WebhookWorld, receiver: Receiver) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.url)
    first = await world.start(webhook_backoff="[3600]")
    await world.happen()

    async def noted() -> bool:
        progress = await world.progress(hook)
        return progress is not None and progress.failures == 1

    await eventually(noted)
    await first.end(signal.SIGKILL)
    second = await world.start(webhook_backoff="[3600]")

    async def works() -> bool:
        return await second.metric("slipway_webhooks") == 1

    await eventually(works, timeout=20)
    progress = await world.progress(hook)
    assert progress is not None
    assert progress.failures == 1
    assert len(receiver.asked) == 1


async def test_a_log_that_is_killed_and_comes_back_is_taken_up_where_it_was(
    world: WebhookWorld, receiver: Receiver, fresh_nats: NatsServer
) -> None:
    await world.hook(receiver.url)
    await world.start(lease_ttl="PT5S")
    sent = await world.happen(10)
    await eventually(lambda: receiver.sequences == sent)

    fresh_nats.restart()
    sent += await world.happen(10)

    await eventually(lambda: list(dict.fromkeys(receiver.sequences)) == sent, timeout=30)


async def test_a_webhook_that_lags_far_behind_reads_the_log_and_loses_nothing(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.open.clear()
    await world.hook(receiver.url, types=("release",))
    await world.hook(other.url, types=("release",))
    await world.start(feed_events="10")
    sent = []
    for _ in range(6):
        sent += await asyncio.gather(*(world.happen() for _ in range(50)))
    ordered = sorted(sequence for (sequence,) in sent)
    await eventually(lambda: other.sequences == ordered, timeout=30)

    receiver.open.set()

    await eventually(lambda: receiver.sequences == ordered, timeout=30)


async def test_the_secret_is_in_no_message_position_or_line_of_the_notifier(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.url)
    notifier = await world.start(log_level="debug")
    await world.happen()
    await eventually(lambda: len(receiver.asked) >= 2)
    progress = await eventually(lambda: world.progress(hook))
    receiver.status = 410
    await eventually(partial(_is_removed, notifier))

    secret = hook.secret.removeprefix("whsec_")
    bodies = [stored.data.decode() async for stored in world.log.read("slipway.>", after=0)]
    assert bodies
    assert progress is not None
    for text in (*bodies, notifier.log.read_text(), progress.model_dump_json()):
        assert secret not in text


def _is_removed(notifier: Notifier) -> bool:
    return "webhook is removed" in notifier.log.read_text()
