"""What the notifier itself is to blame for, or may be, is no failure of a receiver, and disables nothing."""

from datetime import timedelta
from functools import partial

from eventually import eventually
from slipway_contracts.envelope import now
from slipway_contracts.webhooks import WebhookProgress
from webhook_world import Hook, Receiver, WebhookWorld

NO_ROUTE = "http://[2001:db8::1]:8080/hook"
NO_NAME = "http://receiver.invalid:8080/hook"
PATIENCE = {"webhook_patience": "PT0.2S", "webhook_timeout": "PT0.5S"}


async def disabled(world: WebhookWorld) -> bool:
    return await world.log.last("slipway.*._.evt.webhook.disabled") is not None


async def progress_where(world: WebhookWorld, hook: Hook, field: str, least: int) -> WebhookProgress | None:
    progress = await world.progress(hook)
    return progress if progress is not None and getattr(progress, field) >= least else None


async def test_a_network_that_is_down_counts_against_nobody_and_what_waits_is_sent_when_it_is_back(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hooks = [await world.hook(url) for url in (NO_ROUTE, NO_NAME)]
    await world.start(**PATIENCE)
    sent = await world.happen()

    for hook in hooks:
        progress = await eventually(partial(progress_where, world, hook, "hindered", 8), timeout=20)
        assert progress is not None
        assert (progress.failures, progress.failed_seconds, progress.failing_since) == (0, 0, None)
        assert progress.problem
    assert not await disabled(world)

    await world.change(hooks[0], url=receiver.url)
    await eventually(lambda: sent[0] in receiver.sequences)


async def test_a_key_that_cannot_be_opened_counts_against_nobody(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    world.key_file.rename(world.folder / "elsewhere")
    await world.start(**PATIENCE)
    await world.happen()

    progress = await eventually(partial(progress_where, world, hook, "hindered", 8))

    assert progress is not None
    assert progress.failures == 0
    assert not await disabled(world)


async def test_the_time_in_which_no_notifier_ran_counts_against_nobody(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 503
    hook = await world.hook(receiver.url)
    days = now() - timedelta(days=6)
    left = WebhookProgress(
        begun=hook.sequence,
        revision=hook.sequence,
        position=hook.sequence,
        failures=2,
        failing_since=days,
        failed_at=days,
        next_attempt_at=days + timedelta(minutes=5),
        problem="the receiver answered 503 Service Unavailable",
    )
    await world.note_progress(left, hook.configured.webhook)
    await world.happen()

    await world.start(webhook_patience="P5D")
    progress = await eventually(partial(progress_where, world, hook, "failures", 6))

    assert progress is not None
    assert progress.failed_seconds < timedelta(minutes=6).total_seconds()
    assert progress.failing_since == days
    assert not await disabled(world)


async def test_a_receiver_that_refuses_connections_fails_by_its_own_fault_until_it_is_disabled(
    world: WebhookWorld,
) -> None:
    await world.hook("http://127.0.0.1:1/hook")
    await world.start(**PATIENCE)
    await world.happen()

    await eventually(lambda: disabled(world))
