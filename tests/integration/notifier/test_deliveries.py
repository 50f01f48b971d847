"""What a receiver gets: what it asked for, in order, signed as Standard Webhooks says."""

from datetime import timedelta

import pytest
from eventually import eventually
from slipway_chassis.jetstream_api import publish
from slipway_contracts.envelope import new_id, now
from slipway_contracts.installation_events import GroupConfigured
from standardwebhooks.webhooks import WebhookVerificationError
from webhook_world import Receiver, WebhookWorld


async def test_events_come_in_order_signed_and_as_cloudevents(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    await world.start()

    sent = await world.happen(20)
    await eventually(lambda: len(receiver.taken) == 20)

    assert receiver.sequences == sent
    for delivery in receiver.taken:
        verified = hook.verify(delivery)
        assert verified["specversion"] == "1.0"
        assert verified["type"] == "dev.slipway.release.ready.v1"
        assert verified["id"] == delivery.headers["webhook-id"]
        assert verified["data"]["deployment"] == "digits"
        assert delivery.headers["Content-Type"].startswith("application/cloudevents+json")


async def test_a_changed_body_or_another_secret_is_noticed(world: WebhookWorld, receiver: Receiver) -> None:
    hook = await world.hook(receiver.url, types=("release",))
    stranger = await world.hook(receiver.url, types=("build",))
    await world.start()
    await world.happen()
    await eventually(lambda: receiver.taken)

    delivery = receiver.taken[0]

    forged = type(delivery)(delivery.headers, delivery.body.replace(b"digits", b"digitz"))
    with pytest.raises(WebhookVerificationError):
        hook.verify(forged)
    with pytest.raises(WebhookVerificationError):
        stranger.verify(delivery)


async def test_a_receiver_gets_the_groups_types_and_deployments_it_asked_for(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    await world.hook(receiver.url, types=("release",), deployment="digits")
    await world.hook(other.url, group=None)
    await world.start()

    elsewhere = await world.happen(group="other")
    another = await world.happen(deployment="letters")
    configured = [await world.tell(GroupConfigured(group="default"))]
    wanted = await world.happen()
    await eventually(lambda: receiver.taken and len(other.taken) == 4)

    assert receiver.sequences == wanted
    assert other.sequences == elsewhere + another + configured + wanted


async def test_a_webhook_begins_behind_its_creation_or_where_it_is_told_to(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    (earlier,) = await world.happen()
    await world.hook(receiver.url, types=("release",))
    await world.hook(other.url, after=earlier - 1, types=("release",))
    await world.start()

    (later,) = await world.happen()
    await eventually(lambda: receiver.taken and len(other.taken) == 2)

    assert receiver.sequences == [later]
    assert other.sequences == [earlier, later]


async def test_a_rotated_secret_signs_together_with_the_one_before_for_a_while(
    world: WebhookWorld, receiver: Receiver
) -> None:
    before = await world.hook(receiver.url, types=("release",))
    await world.start()
    secret = await world.secret(before.configured.webhook, 2)
    after = type(before)(before.configured, secret, 0)

    await world.change(before, secret=2, former_secret=1, former_until=now() + timedelta(hours=1))
    await world.happen()
    await eventually(lambda: receiver.taken)
    await world.change(before, secret=2, former_secret=1, former_until=now())
    await world.happen()
    await eventually(lambda: len(receiver.taken) == 2)

    both, late = receiver.taken
    assert before.verify(both) == after.verify(both)
    assert after.verify(late)
    with pytest.raises(WebhookVerificationError):
        before.verify(late)


async def test_nothing_is_sent_to_a_webhook_that_was_removed_and_its_position_goes(
    world: WebhookWorld, receiver: Receiver, other: Receiver
) -> None:
    hook = await world.hook(receiver.url, types=("release",))
    await world.hook(other.url, types=("release",))
    await world.start()
    await world.happen()
    await eventually(lambda: receiver.taken and other.taken)

    await world.change(hook, removed=True)
    await world.happen()
    await eventually(lambda: len(other.taken) == 2)

    async def is_forgotten() -> bool:
        return await world.progress(hook) is None

    await eventually(is_forgotten)
    assert len(receiver.taken) == 1


async def test_a_private_address_is_refused_unless_the_operator_allows_it(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url)
    await world.start(webhook_private_addresses="false")

    await world.happen()

    async def problem() -> str:
        progress = await world.progress(hook)
        return progress.problem or "" if progress else ""

    assert "no public address" in await eventually(problem)
    assert not receiver.asked


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{not json", {"ce-id": new_id()}),
        (b"\xff\xfe", {"ce-id": "n\u00f6 id %"}),
        (b"{}", {}),
    ],
)
async def test_a_message_that_nobody_can_read_is_sent_as_a_valid_event_and_holds_up_nothing(
    world: WebhookWorld, receiver: Receiver, body: bytes, headers: dict[str, str]
) -> None:
    hook = await world.hook(receiver.url)
    notifier = await world.start()
    await eventually(notifier.is_active)
    named = {"ce-type": "dev.slipway.command.stop.v1", "ce-source": "/x", "ce-subject": "default/digits"}
    whole = {**named, "ce-time": "2026-01-01T00:00:00Z", **headers} if headers else None

    subject = "slipway.default.digits.cmd.deployer.stop"
    poison = (await publish(world.connection, subject, body, headers=whole or {}, within=5))["seq"]
    (after,) = await world.happen()
    await eventually(lambda: len(receiver.taken) == 2)

    assert receiver.sequences == [poison, after]
    told = hook.verify(receiver.taken[0])
    assert told["id"] == (headers.get("ce-id") or f"sequence-{poison}")
    assert told["data"] == ({} if body == b"{}" else body.decode(errors="replace"))
