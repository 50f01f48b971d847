"""Receivers that refuse, hang, redirect, or want nothing more; and what that is to the others."""

import time
from functools import partial

from eventually import eventually
from slipway_contracts.installation_events import WebhookDisabled
from slipway_contracts.webhook_events import WebhookRemoved
from webhook_world import Hook, Receiver, WebhookWorld


async def disabled(world: WebhookWorld) -> WebhookDisabled | None:
    stored = await world.log.last("slipway.*._.evt.webhook.disabled")
    return stored.message if stored and isinstance(stored.message, WebhookDisabled) else None


async def failures(world: WebhookWorld, hook: Hook) -> int:
    progress = await world.progress(hook)
    return progress.failures if progress else 0


async def test_a_refused_event_is_tried_again_with_the_same_id_until_it_is_taken(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 503
    hook = await world.hook(receiver.url)
    await world.start()
    sent = await world.happen(3)
    await eventually(lambda: len(receiver.asked) >= 4)
    refused = list(receiver.asked)

    receiver.status = 200
    await eventually(lambda: len(receiver.taken) == 3)

    assert receiver.sequences == sent
    assert len({delivery.headers["webhook-id"] for delivery in refused}) == 1
    assert all(hook.verify(delivery) for delivery in receiver.asked)
    await eventually(lambda: world.has_delivered(hook, sent[-1]))
    assert await failures(world, hook) == 0


async def test_waits_grow_as_they_are_set_and_what_fails_is_told(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.url)
    notifier = await world.start(webhook_backoff="[0.1, 3600]")

    await world.happen()

    async def waits_long() -> bool:
        return await failures(world, hook) == 2

    await eventually(waits_long)
    progress = await world.progress(hook)
    assert progress is not None
    assert progress.problem == "the receiver answered 500 Internal Server Error"
    assert progress.failing_since is not None
    assert progress.next_attempt_at is not None
    wait = (progress.next_attempt_at - progress.failing_since).total_seconds()
    assert 0.8 * 3600 <= wait <= 1.2 * 3600 + 60
    assert len(receiver.asked) == 2
    assert await notifier.metric("slipway_webhooks_failing") == 1


async def test_a_change_of_a_failing_webhook_is_tried_at_once(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.url, types=("release",))
    await world.start(webhook_backoff="[3600]")
    sent = await world.happen(2)
    await eventually(lambda: receiver.asked)

    await world.change(hook, url=other.url)

    await eventually(lambda: other.sequences == sent)


async def removed(world: WebhookWorld) -> WebhookRemoved | None:
    stored = await world.log.last("slipway.*._.evt.webhook.removed")
    return stored.message if stored and isinstance(stored.message, WebhookRemoved) else None


async def test_410_removes_the_webhook_its_position_and_its_secret_and_the_log_says_why(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.status = 410
    hook = await world.hook(receiver.url, types=("release",))
    await world.hook(other.url, types=("release",))
    await world.start()

    sent = await world.happen(3)
    ended = await eventually(lambda: removed(world))
    assert ended is not None
    await eventually(lambda: other.sequences == sent)

    assert (ended.reason, ended.webhook, ended.revision) == ("gone", hook.configured.webhook, hook.sequence)
    assert ended.position < sent[0]
    assert len(receiver.asked) == 1

    async def is_forgotten() -> bool:
        return await world.progress(hook) is None and not await world.has_secret(hook)

    await eventually(is_forgotten)


async def test_a_change_that_was_made_before_a_410_came_back_keeps_the_webhook(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.status = 410
    receiver.open.clear()
    hook = await world.hook(receiver.url, types=("release",))
    await world.start(webhook_timeout="PT60S")
    sent = await world.happen()
    await eventually(lambda: receiver.asked)

    await world.change(hook, url=other.url)
    receiver.open.set()

    await eventually(lambda: other.sequences == sent)
    await eventually(partial(world.has_delivered, hook, sent[0]))


async def test_a_webhook_that_fails_for_too_long_is_disabled(world: WebhookWorld, receiver: Receiver) -> None:
    receiver.status = 500
    await world.hook(receiver.url)
    await world.start(webhook_patience="PT0.2S")

    await world.happen()
    ended = await eventually(lambda: disabled(world))
    assert ended is not None

    assert ended.reason == "failing"
    assert "500" in ended.message


def has_taken(receiver: Receiver, count: int, last: int) -> bool:
    return len(receiver.taken) == count and receiver.sequences[-1] == last


async def test_receivers_that_hang_delay_no_other(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.open.clear()
    hanging = [await world.hook(receiver.url) for _ in range(20)]
    await world.start(webhook_backoff="[3600]", webhook_timeout="PT60S")
    await world.happen()
    await eventually(lambda: len(receiver.asked) == len(hanging))

    await world.hook(other.url, types=("release",))
    delays = []
    for count in range(1, 31):
        began = time.monotonic()
        (sent,) = await world.happen()
        await eventually(partial(has_taken, other, count, sent))
        delays.append(time.monotonic() - began)

    assert sorted(delays)[15] < 2
    assert not receiver.taken


async def test_a_receiver_that_never_answers_is_given_up_after_the_timeout_and_tried_again(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.open.clear()
    await world.hook(receiver.url)
    await world.start(webhook_timeout="PT0.3S")
    sent = await world.happen()
    await eventually(lambda: len(receiver.asked) >= 2)

    receiver.open.set()

    await eventually(lambda: sent[0] in receiver.sequences)


async def test_a_redirect_is_a_failure_and_is_not_followed(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    receiver.status = 307
    receiver.answer_headers = {"Location": other.url}
    hook = await world.hook(receiver.url)
    await world.start()

    await world.happen()
    await eventually(lambda: len(receiver.asked) >= 2)

    assert await eventually(lambda: failures(world, hook))
    assert not other.asked


async def test_a_receiver_may_ask_for_a_longer_wait(world: WebhookWorld, receiver: Receiver) -> None:
    receiver.status = 429
    receiver.answer_headers = {"Retry-After": "600"}
    hook = await world.hook(receiver.url)
    await world.start()

    await world.happen()

    async def wait() -> float:
        progress = await world.progress(hook)
        if progress is None or progress.next_attempt_at is None or progress.failing_since is None:
            return 0
        return (progress.next_attempt_at - progress.failing_since).total_seconds()

    assert await eventually(wait) >= 600


async def test_without_its_key_nothing_is_sent_unsigned_and_once_it_is_there_all_is_sent(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    elsewhere = world.key_file.rename(world.folder / "elsewhere")
    await world.start()
    sent = await world.happen(2)

    async def problem() -> str:
        progress = await world.progress(hook)
        return progress.problem or "" if progress else ""

    assert "SLIPWAY_SECRET_KEY_FILE" in await eventually(problem)
    assert not receiver.asked
    elsewhere.rename(world.key_file)

    await eventually(lambda: receiver.sequences == sent)
    assert all(hook.verify(delivery) for delivery in receiver.taken)
