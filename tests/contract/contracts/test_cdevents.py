"""The messages of the log in the vocabulary of CDEvents: which means what, and that it has the form."""

import json
from datetime import UTC, datetime
from typing import Any

import cdevents_schema
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from jsonschema import ValidationError
from slipway_chassis.feed import Entry
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.cdevents import CONTENT_TYPE, MEANINGFUL, CDEvent, rendered
from slipway_contracts.codec import MESSAGE_TYPES, encode
from slipway_contracts.envelope import TYPE_PREFIX, Envelope
from slipway_contracts.events import ReleaseLive, TrafficShifted
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.message import Message
from slipway_contracts.names import derived_id
from slipway_contracts.traffic import Serving, TrafficShare

OWNER = {"group": "team", "deployment": "digits"}
OLD, NEW = derived_id("old"), derived_id("new")


def make_envelope(message: Message) -> Envelope:
    return Envelope(
        id=derived_id("message", message.type),
        type=message.type,
        source="/slipway/deployer",
        subject="team/digits",
        time=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        correlation_id=derived_id("command"),
    )


def make_live(**serving: Any) -> ReleaseLive:
    values = {"alias": "live", "release": 7, "version": NEW, "label": "20260102.1", "target": "local"}
    return ReleaseLive(**OWNER, release=7, seconds=1.0, serving=Serving(**values | serving))


def example(type_name: str) -> Message:
    return next(message for message in EXAMPLES if message.type == type_name)


def meant(message: Message) -> tuple[CDEvent, ...]:
    return rendered(message, make_envelope(message))


def kinds(message: Message) -> list[str]:
    return [".".join(event.type.split(".")[2:4]) for event in meant(message)]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (make_live(), "service.deployed"),
        (make_live(before=OLD), "service.upgraded"),
        (make_live(before=OLD, older=True), "service.rolledback"),
        (make_live(before=NEW, older=True), "service.rolledback"),
        (TrafficShifted(**OWNER, shares=()), "service.removed"),
    ],
)
def test_what_an_alias_serves_is_a_service_in_the_environment_of_that_name(
    message: Message, kind: str
) -> None:
    (event,) = meant(message)

    assert event.type == f"dev.cdevents.{kind}.0.3.0"
    assert event.subject["id"] == "team/digits"
    assert event.subject["content"]["environment"] == {"id": "live"}


@pytest.mark.parametrize(
    "message",
    [
        make_live(before=NEW),
        ReleaseLive(**OWNER, release=7, seconds=1.0),
        TrafficShifted(**OWNER, shares=(TrafficShare(release=1, weight=100),)),
    ],
)
def test_the_same_version_or_a_shift_that_nobody_confirmed_means_nothing(message: Message) -> None:
    assert meant(message) == ()


def test_a_build_starts_and_finishes_and_a_built_version_is_a_published_artifact() -> None:
    assert kinds(example("build.started.v1")) == ["build.started"]
    assert kinds(example("build.succeeded.v1")) == ["build.finished", "artifact.published"]
    assert kinds(example("build.failed.v1")) == ["build.finished"]
    assert kinds(example("build.canceled.v1")) == ["build.finished"]


def test_a_service_names_the_artifact_by_the_id_under_which_it_was_published() -> None:
    built = example("build.succeeded.v1")
    version = built.version  # type: ignore[attr-defined]
    live = make_live(version=version.id, label=version.label).model_copy(
        update={"group": version.group, "deployment": version.deployment}
    )

    finished, published = meant(built)
    (deployed,) = meant(live)

    assert published.subject["id"] == finished.subject["content"]["artifactId"]
    assert deployed.subject["content"]["artifactId"] == published.subject["id"]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: message.type)
def test_every_message_means_something_valid_or_nothing(message: Message) -> None:
    events = meant(message)

    assert not events or message.type in {*MEANINGFUL, "webhook.pinged.v1"}
    assert len({event.context["id"] for event in events}) == len(events)
    assert events == meant(message)
    for event in events:
        cdevents_schema.check(event.document)
        assert event.context["chainId"] == derived_id("command")
        assert event.document["customData"]["data"] == json.loads(message.model_dump_json())


@pytest.mark.parametrize("message", [make_live(), make_live(before=OLD), example("build.succeeded.v1")])
def test_its_cloud_event_repeats_the_context_as_the_binding_says(message: Message) -> None:
    for event in meant(message):
        body = json.dumps(event.cloud_event(sequence="7")).encode()
        headers = {"content-type": "application/cloudevents+json"}

        parsed = from_structured_event(HTTPMessage(headers=headers, body=body))

        assert parsed.get_id() == event.context["id"]
        assert parsed.get_source() == event.context["source"]
        assert parsed.get_type() == event.context["type"]
        assert parsed.get_subject() == event.subject["id"]
        assert parsed.get_time() == datetime.fromisoformat(event.context["timestamp"])
        assert parsed.get_datacontenttype() == CONTENT_TYPE
        assert parsed.get_extension("sequence") == "7"
        assert parsed.get_data() == event.document


VARIANTS = (
    *EXAMPLES,
    make_live(),
    make_live(before=OLD),
    make_live(before=OLD, older=True),
    TrafficShifted(**OWNER, shares=()),
    TrafficShifted(
        **OWNER,
        shares=(TrafficShare(release=7, weight=100),),
        serving=Serving(alias="live", release=7, version=NEW, label="20260102.1", target="local"),
    ),
)
"""Messages of all types, of those with several meanings one of each."""


@pytest.mark.parametrize("type_name", MESSAGE_TYPES)
def test_every_type_of_the_registry_is_rendered_validly_in_both_formats(type_name: str) -> None:
    variants = [message for message in VARIANTS if message.type == type_name]
    assert variants, "it needs an example"

    for message in variants:
        made = make_envelope(message)
        stored = Stored(
            subject=subjects.of(message),
            sequence=7,
            headers=made.to_headers(),
            data=encode(message),
            time=made.time,
        )
        plain = read(Entry(stored).cloud_event)
        assert (plain.get_id(), plain.get_type()) == (made.id, TYPE_PREFIX + type_name)
        assert plain.get_data() == json.loads(stored.data)
        for event, told in zip(meant(message), Entry(stored).cdevents, strict=True):
            meaning = read(json.dumps(told).encode())
            assert meaning.get_data() == event.document
            cdevents_schema.check(event.document)

    means = any(meant(message) for message in variants)
    assert means == (type_name in {*MEANINGFUL, "webhook.pinged.v1"})


def test_every_type_of_cdevents_that_is_spoken_here_is_the_meaning_of_some_message() -> None:
    spoken = {event.type for message in VARIANTS for event in meant(message)}

    # The notifier alone tells of a gap; its tests check that.
    assert spoken == cdevents_schema.TYPES - {"dev.cdeventsx.slipway-log.truncated.0.1.0"}


def read(body: bytes) -> Any:
    return from_structured_event(
        HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=body)
    )


@pytest.mark.parametrize("member", ["artifactId", "environment"])
def test_the_checker_misses_nothing_that_is_required(member: str) -> None:
    document = meant(make_live())[0].document
    del document["subject"]["content"][member]

    with pytest.raises(ValidationError):
        cdevents_schema.check(document)
