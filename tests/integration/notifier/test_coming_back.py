"""What waited is sent soon after the receiver, or the permission to reach it, is back, in order."""

import asyncio
import time
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from eventually import eventually
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookDisabled
from slipway_contracts.webhook_events import WebhookPinged
from slipway_contracts.webhooks import WebhookProgress
from slipway_notifier.settings import NotifierSettings
from slipway_notifier.worker import Patience
from webhook_world import Hook, Receiver, WebhookWorld

FORBIDDEN = {"webhook_private_addresses": "false"}


async def progress_of(world: WebhookWorld, hook: Hook, **expected: object) -> WebhookProgress | None:
    progress = await world.progress(hook)
    if progress is None or any(getattr(progress, name) != value for name, value in expected.items()):
        return None
    return progress


async def test_an_address_that_is_not_allowed_is_told_before_there_is_anything_to_send(
    world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start(**FORBIDDEN)

    refused = await world.hook(receiver.url, types=("release",))
    allowed = await world.hook("http://1.1.1.1/hook", types=("release",))

    told = await eventually(partial(progress_of, world, refused, forbidden=True))
    assert told is not None
    assert "SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=true" in (told.problem or "")
    assert (told.failures, told.hindered, told.next_attempt_at) == (0, 0, None)
    free = await eventually(partial(progress_of, world, allowed, forbidden=False))
    assert free is not None
    assert free.problem is None


async def test_a_name_that_nobody_knows_is_told_before_there_is_anything_to_send(world: WebhookWorld) -> None:
    await world.start()

    hook = await world.hook("http://receiver.invalid/hook")

    told = await eventually(partial(progress_of, world, hook, forbidden=False))
    assert told is not None
    assert "no address" in (told.problem or "")


async def test_once_private_addresses_are_allowed_what_waited_is_sent_at_once(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url, types=("release",))
    before = await world.start(**FORBIDDEN, webhook_backoff="[3600]")
    sent = await world.happen(3)
    waiting = await eventually(partial(progress_of, world, hook, hindered=1))
    assert waiting is not None
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at > now() + timedelta(minutes=3)
    await before.end()

    await world.start(webhook_backoff="[3600]")

    await eventually(lambda: receiver.sequences == sent)
    told = await eventually(partial(progress_of, world, hook, position=sent[-1]))
    assert told is not None
    assert (told.problem, told.forbidden, told.hindered) == (None, False, 0)


async def test_once_private_addresses_are_allowed_the_warning_goes_without_any_event(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url, types=("release",))
    before = await world.start(**FORBIDDEN)
    await eventually(partial(progress_of, world, hook, forbidden=True))
    await before.end()

    await world.start()

    assert await eventually(partial(progress_of, world, hook, forbidden=False, problem=None))


async def test_a_test_that_is_taken_has_everything_that_waits_sent_in_order(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 503
    hook = await world.hook(receiver.url, types=("release",))
    await world.start(webhook_backoff="[3600]")
    sent = await world.happen(5)
    await eventually(partial(progress_of, world, hook, failures=1))
    refused = len(receiver.asked)

    await world.tell(WebhookPinged(group="default", webhook=hook.configured.webhook, by="ada"))
    await eventually(lambda: len(receiver.asked) == refused + 1)
    receiver.status = 204
    await world.tell(WebhookPinged(group="default", webhook=hook.configured.webhook, by="ada"))

    await eventually(lambda: len(receiver.taken) == 6)
    assert receiver.sequences[1:] == sent
    assert len(receiver.asked) == refused + 1 + 6


async def test_a_webhook_that_was_given_up_and_is_enabled_again_gets_all_that_it_missed(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 500
    hook = await world.hook(receiver.url, types=("release",))
    await world.start(webhook_patience="PT0.2S")
    early = await world.happen(2)

    async def given_up() -> WebhookDisabled | None:
        stored = await world.log.last("slipway.*._.evt.webhook.disabled")
        return stored.message if stored and isinstance(stored.message, WebhookDisabled) else None

    ended = await eventually(given_up)
    assert ended is not None
    assert (ended.reason, ended.message) == ("failing", "the receiver answered 500 Internal Server Error")
    assert ended.position < early[0]
    late = await world.happen(3)
    receiver.status = 204

    await world.change(hook, description="enabled again")

    await eventually(lambda: receiver.sequences == early + late)


@pytest.mark.parametrize("down", [timedelta(minutes=1), timedelta(hours=1), timedelta(days=4)], ids=str)
def test_however_long_a_receiver_was_down_it_is_tried_a_few_minutes_after_it_is_back(down: timedelta) -> None:
    fields = NotifierSettings.model_fields
    patience = Patience(backoff=fields["webhook_backoff"].default, limit=fields["webhook_patience"].default)
    for seed in range(50):
        chance, at, failures = Random(seed), timedelta(0), 0  # noqa: S311
        while at < down:
            failures += 1
            at += patience.wait_after(failures, random=chance)

        assert at - down <= timedelta(minutes=6)


async def test_a_receiver_that_was_away_gets_everything_in_order_as_soon_as_it_is_tried(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.refuses = lambda _: True
    hook = await world.hook(receiver.url, types=("release",))
    await world.start(webhook_backoff="[0.05, 0.2]")
    sent = await world.happen(200)
    await eventually(lambda: len(receiver.asked) >= 5)
    assert not receiver.taken

    receiver.refuses = lambda _: False
    back = time.monotonic()
    await eventually(lambda: bool(receiver.taken))
    first = time.monotonic() - back
    await eventually(lambda: len(receiver.taken) == 200, timeout=30)

    assert receiver.sequences == sent
    assert first < 15
    assert await asyncio.to_thread(lambda: all(hook.verify(each) for each in receiver.taken))
