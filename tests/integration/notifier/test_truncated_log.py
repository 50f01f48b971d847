"""A webhook whose position the log no longer has: it is told what is missing, and gets what is there."""

import cdevents_schema
from eventually import eventually
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.installation_events import LogTruncated
from slipway_contracts.topology import LOG
from webhook_world import Receiver, WebhookWorld

STARTED = next(message for message in EXAMPLES if message.type == "build.started.v1")


def told_of(first: int, last: int) -> dict[str, object]:
    return {"from": first, "to": last, "first_available": last + 1, "reason": "no longer kept"}


async def test_what_was_purged_before_it_was_sent_is_told_as_a_gap_and_the_rest_is_sent(
    world: WebhookWorld, receiver: Receiver
) -> None:
    sent = await world.happen(10)
    await world.connection.nc.jetstream().purge_stream(LOG.name, seq=sent[6])
    hook = await world.hook(receiver.url, after=sent[1], types=("release",))
    notifier = await world.start()

    sent += await world.happen(2)
    await eventually(lambda: receiver.sequences == [sent[6] - 1, *sent[6:]])

    gap = receiver.taken[0]
    assert hook.verify(gap) == gap.event
    assert gap.event["type"] == "dev.slipway.gap.v1"
    assert gap.event["id"] == gap.headers["webhook-id"]
    assert gap.event["data"] == told_of(sent[2], sent[6] - 1)
    warning = "webhook misses what the log no longer has"
    (line,) = [line for line in notifier.log.read_text().splitlines() if warning in line]
    assert hook.configured.webhook in line
    assert str(sent[2]) in line
    assert str(sent[6] - 1) in line


async def truncate(world: WebhookWorld, *, before: int) -> None:
    """Truncate as the operator's command does; what webhooks are configured with stays."""
    truncated = LogTruncated(
        before=before, snapshot="sha256:" + 64 * "0", snapshot_sequence=before, messages=10, by="ada"
    )
    await world.tell(truncated)
    jetstream = world.connection.nc.jetstream()
    await jetstream.purge_stream(LOG.name, seq=before, subject="slipway.default.digits.>")


async def test_one_that_is_disabled_during_a_truncation_is_told_of_the_gap_until_it_takes_it(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url, format="cdevents")
    notifier = await world.start()
    meaningful = await world.tell(STARTED.model_copy(update={"group": "default", "deployment": "digits"}))
    await eventually(lambda: world.has_delivered(hook, meaningful))
    disabled = await world.change(hook, disabled=True)
    await notifier.end()
    sent = await world.happen(10)
    receiver.asked.clear()
    receiver.taken.clear()
    receiver.refuses = lambda _: len(receiver.asked) < 3

    await truncate(world, before=sent[-1])
    enabled = await world.change(hook)
    await world.start()
    await eventually(lambda: receiver.taken)

    (gap,) = receiver.taken
    assert {each.headers["webhook-id"] for each in receiver.asked} == {gap.headers["webhook-id"]}
    assert len(receiver.asked) == 3
    assert hook.verify(gap) == gap.event
    assert gap.event["type"] == "dev.cdeventsx.slipway-log.truncated.0.1.0"
    cdevents_schema.check(gap.event["data"])
    missing = gap.event["data"]["customData"]["data"]
    assert missing == told_of(missing["from"], sent[-1] - 1)
    assert missing["from"] in {disabled, disabled + 1}
    await eventually(lambda: world.has_delivered(hook, enabled))
