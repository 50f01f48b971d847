"""The AsyncAPI document and the table of messages are those of the code; the standard's own rules hold."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from slipway_contracts import asyncapi, event_table, subjects
from slipway_contracts.codec import MESSAGE_TYPES, parse
from slipway_contracts.envelope import Envelope, Origin, now
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.flows import Flow, covers, flows, parameters_of
from slipway_contracts.topology import CONSUMERS, RIGHTS, STREAMS

ROOT = Path(__file__).parents[3]
OFFICIAL = ROOT / "tests" / "fixtures" / "asyncapi" / "schema-3.0.0.json"
DOCUMENT: dict[str, Any] = json.loads(asyncapi.render())
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
OPERATIONS: dict[str, Any] = DOCUMENT["operations"]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
READY = "evt.release.ready"
SENDS_READY = "deployer.send.evt.release.ready"
SPOILED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no address": lambda it: it["channels"][READY].update(address=7),
    "a field that does not exist": lambda it: it["channels"][READY].update(adress="x"),
    "an unknown action": lambda it: it["operations"][SENDS_READY].update(action="emit"),
    "a message that is none": lambda it: it["components"]["messages"]["release.ready.v1"].update(payload=7),
    "an example without content": lambda it: it["components"]["messages"]["desired.v1"].update(examples=[{}]),
    "no version": lambda it: it["info"].pop("version"),
}


@cache
def official() -> Draft7Validator:
    return Draft7Validator(json.loads(OFFICIAL.read_text()))


def resolved(node: dict[str, Any]) -> Any:
    found: Any = DOCUMENT
    for token in node["$ref"].removeprefix("#/").split("/"):
        found = found[token]
    return found


def references(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def validator(schema: dict[str, Any]) -> Draft7Validator:
    """AsyncAPI's own schema format is JSON Schema draft 07."""
    return Draft7Validator({"allOf": [schema], "components": DOCUMENT["components"]})


def test_the_published_document_is_that_of_the_code() -> None:
    assert (ROOT / asyncapi.DEFAULT_PATH).read_text() == asyncapi.render(), "run `make contracts`"


def test_the_published_table_is_that_of_the_code() -> None:
    assert (ROOT / event_table.DEFAULT_PATH).read_text() == event_table.render(), "run `make contracts`"


def test_the_document_obeys_the_official_schema() -> None:
    assert [error.message for error in official().iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_the_official_schema_would_tell(spoil: Callable[[dict[str, Any]], Any]) -> None:
    document = copy.deepcopy(DOCUMENT)

    spoil(document)

    assert not official().is_valid(document)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        assert isinstance(resolved(reference), dict)


def test_every_channel_explains_what_differs_in_its_address() -> None:
    for name, channel in CHANNELS.items():
        assert set(parameters_of(channel["address"])) == set(channel.get("parameters", ())), name


def test_every_operation_handles_messages_of_its_channel() -> None:
    for name, operation in OPERATIONS.items():
        own = {
            f"{operation['channel']['$ref']}/messages/{key}"
            for key in resolved(operation["channel"])["messages"]
        }
        assert operation["messages"], name
        assert {message["$ref"] for message in operation["messages"]} <= own, name


def test_every_message_has_a_channel_in_a_stream_and_somebody_who_sends_it() -> None:
    sent = {
        message["$ref"].rsplit("/", maxsplit=1)[-1]
        for operation in OPERATIONS.values()
        if operation["action"] == "send"
        for message in operation["messages"]
    }

    assert sent == set(MESSAGES) == {*MESSAGE_TYPES, "log-lines"}
    streams = {stream.name: stream for stream in STREAMS}
    for channel in CHANNELS.values():
        assert covers(streams[channel["x-jetstream-stream"]].subjects, channel["address"])


@pytest.mark.parametrize("rights", RIGHTS, ids=lambda rights: rights.service)
def test_every_right_to_publish_is_used_by_some_channel(rights: Any) -> None:
    for subject in rights.publish:
        assert any(covers([subject], channel["address"]) for channel in CHANNELS.values()), subject


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
def test_every_durable_is_told_with_all_that_wakes_it(consumer: Any) -> None:
    own = [
        operation
        for operation in OPERATIONS.values()
        if operation.get("x-jetstream-consumer", {}).get("durable") == consumer.durable
    ]

    assert {each for one in own for each in one["x-jetstream-consumer"]["filter_subjects"]} == set(
        consumer.filters
    )
    for operation in own:
        assert operation["x-jetstream-consumer"]["ack_wait_seconds"] == consumer.ack_wait.total_seconds()
        assert operation["tags"] == [{"name": consumer.service}]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.type)
def test_a_message_is_published_on_the_address_of_its_channel(example: Any) -> None:
    (channel,) = (each for each in CHANNELS.values() if example.type in each["messages"])
    pattern = re.sub(r"\\\{\w+\\\}", "[^.]+", re.escape(channel["address"]))

    assert re.fullmatch(pattern, subjects.of(example))


@pytest.mark.parametrize("name", sorted(MESSAGE_TYPES))
def test_the_example_of_a_message_is_one(name: str) -> None:
    message = MESSAGES[name]
    (example,) = message["examples"]

    validator(message["headers"]).validate(example["headers"])
    validator(message["payload"]).validate(example["payload"])
    assert Envelope.from_headers(example["headers"]).to_headers() == example["headers"]
    assert parse(name, json.dumps(example["payload"]).encode()).type == name


def test_headers_are_told_as_the_envelope_writes_them() -> None:
    asked = Origin(user="ada", address="192.0.2.7", agent="x", request="1")
    bare = Envelope(id="1", type="desired.v1", source="/slipway/deployer", subject="a/b", time=now())
    full = bare.model_copy(
        update={"causation_id": "1", "correlation_id": "1", "traceparent": "00", "origin": asked}
    )

    told = DOCUMENT["components"]["schemas"]["Envelope"]

    assert set(told["properties"]) == set(full.to_headers())
    assert set(told["required"]) == set(bare.to_headers())
    headers = validator(MESSAGES["desired.v1"]["headers"])
    assert headers.is_valid(bare.to_headers())
    assert headers.is_valid(full.to_headers() | {"of-tomorrow": "1"})
    assert not headers.is_valid(bare.to_headers() | {"ce-type": "dev.slipway.replica.v1"})


@pytest.mark.parametrize("flow", flows(), ids=lambda flow: flow.type)
def test_who_emits_a_message_by_its_words_may_do_so(flow: Flow) -> None:
    services = "|".join(rights.service for rights in RIGHTS)
    emitting = set(re.findall(rf"mitted by the ({services})\b", flow.description))
    consuming = set(re.findall(rf"consumed by the ({services})\b", flow.description))

    assert emitting <= set(flow.senders)
    assert consuming <= {consumer.service for consumer in flow.consumers}


def test_the_table_has_a_row_for_every_message_and_its_links_lead_somewhere() -> None:
    page = event_table.render()

    assert re.findall(r"^\| `([a-z.-]+\.v\d+)` \|", page, re.MULTILINE) == list(MESSAGE_TYPES)
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (ROOT / "docs" / link).exists(), link
