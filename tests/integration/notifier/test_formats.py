"""Webhooks in the vocabulary of CDEvents: the same events as in a stream, signed and ordered like all."""

import json
from typing import Any

import cdevents_schema
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from eventually import eventually
from slipway_contracts.cdevents import rendered
from slipway_contracts.envelope import Envelope
from slipway_contracts.examples import EXAMPLES
from webhook_world import Delivery, Receiver, WebhookWorld

BUILT = next(message for message in EXAMPLES if message.type == "build.succeeded.v1")
STARTED = next(message for message in EXAMPLES if message.type == "build.started.v1")
STEP = next(message for message in EXAMPLES if message.type == "build.step-started.v1")


def meaning(delivery: Delivery) -> dict[str, Any]:
    headers = {"content-type": delivery.headers["Content-Type"]}
    parsed = from_structured_event(HTTPMessage(headers=headers, body=delivery.body))
    data = parsed.get_data()
    assert isinstance(data, dict)
    cdevents_schema.check(data)
    assert data["context"]["id"] == parsed.get_id() == delivery.headers["webhook-id"]
    return data


def kinds(receiver: Receiver) -> list[str]:
    return [
        meaning(each)["context"]["type"].split(".", 2)[2].removesuffix(".0.3.0") for each in receiver.taken
    ]


async def test_a_webhook_gets_what_has_a_meaning_in_cdevents_and_nothing_else(
    world: WebhookWorld, receiver: Receiver
) -> None:
    hook = await world.hook(receiver.url, group=STARTED.group, format="cdevents")
    await world.start()

    sent = [await world.tell(message) for message in (STARTED, STEP, BUILT)]
    await eventually(lambda: len(receiver.taken) == 3)

    assert kinds(receiver) == ["build.started", "build.finished", "artifact.published"]
    assert receiver.sequences == [sent[0], sent[2], sent[2]]
    assert all(hook.verify(each) == json.loads(each.body) for each in receiver.taken)
    await eventually(lambda: world.has_delivered(hook, sent[2]))


async def test_it_gets_the_events_under_the_ids_that_a_stream_has(
    world: WebhookWorld, receiver: Receiver
) -> None:
    await world.hook(receiver.url, group=BUILT.group, format="cdevents")
    await world.start()
    sequence = await world.tell(BUILT)
    await eventually(lambda: len(receiver.taken) == 2)

    stored = await world.log.get(sequence)
    assert stored is not None
    events = rendered(stored.message, Envelope.from_headers(stored.headers))

    assert [each.event for each in receiver.taken] == [
        event.cloud_event(sequence=str(sequence)) for event in events
    ]


async def test_of_two_events_of_one_message_the_one_that_was_taken_is_not_sent_again(
    world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.refuses = lambda delivery: "artifact.published" in delivery.event["type"]
    await world.hook(receiver.url, group=BUILT.group, format="cdevents")
    await world.start()
    await world.tell(BUILT)
    await eventually(lambda: len(receiver.asked) >= 4)

    receiver.refuses = lambda _: False
    await eventually(lambda: len(receiver.taken) == 2)

    assert kinds(receiver) == ["build.finished", "artifact.published"]
