"""A webhook whose position the log no longer has: it gets what is there, and the loss is on record."""

from eventually import eventually
from slipway_contracts.topology import LOG
from webhook_world import Receiver, WebhookWorld


async def test_what_was_purged_before_it_was_sent_is_warned_of_and_the_rest_is_sent(
    world: WebhookWorld, receiver: Receiver
) -> None:
    sent = await world.happen(10)
    await world.connection.nc.jetstream().purge_stream(LOG.name, seq=sent[6])
    hook = await world.hook(receiver.url, after=sent[1], types=("release",))
    notifier = await world.start()

    sent += await world.happen(2)
    await eventually(lambda: receiver.sequences == sent[6:])

    warning = "webhook misses what the log no longer has"
    (line,) = [line for line in notifier.log.read_text().splitlines() if warning in line]
    assert hook.configured.webhook in line
    assert str(sent[2]) in line
    assert str(sent[6] - 1) in line
