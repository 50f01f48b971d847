"""Events in the words of open standards: CloudEvents by the official parser, and CDEvents."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import cdevents_schema
from api_world import Api, make_version, problem, running_api
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, from_structured_event
from event_subscriber import subscribed
from eventually import eventually
from slipway_chassis.connection import Connection
from slipway_contracts.cdevents import package_url
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.envelope import new_id
from slipway_contracts.events import BuildStepStarted, ReleaseLive, TrafficShifted
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.traffic import Serving, TrafficShare

ALL_TYPES = ",".join(MESSAGE_TYPES)
STEP = BuildStepStarted(group="default", deployment="digits", build=new_id(), step="install")


def read_structured(data: str) -> BaseCloudEvent:
    """Parse what an event stream has as `data:`, as an HTTP client of the standard would."""
    headers = {"content-type": "application/cloudevents+json"}
    return from_structured_event(HTTPMessage(headers=headers, body=data.encode()))


async def test_every_message_is_a_cloud_event_for_the_official_parser(api: Api) -> None:
    ids = [new_id() for _ in EXAMPLES]
    at = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    async with subscribed(api.http, query={"types": ALL_TYPES}) as subscriber:
        told = [
            await api.platform.tell(
                message, id=identifier, time=at, causation_id=ids[0], traceparent=f"00-{1:032x}-{1:016x}-01"
            )
            for message, identifier in zip(EXAMPLES, ids, strict=True)
        ]
        await eventually(lambda: len(subscriber.events) == len(told))

    for message, identifier, event in zip(EXAMPLES, ids, subscriber.events, strict=True):
        parsed = read_structured(event.data)
        assert parsed.get_id() == identifier
        assert parsed.get_type() == f"dev.slipway.{message.type}"
        assert parsed.get_source() == "/slipway/test"
        assert parsed.get_subject() == "default/digits"
        assert parsed.get_time() == at
        assert parsed.get_datacontenttype() == "application/json"
        assert parsed.get_extension("sequence") == event.id
        assert parsed.get_extension("causationid") == ids[0]
        assert parsed.get_data() == json.loads(message.model_dump_json())


async def test_a_message_in_nats_is_a_binary_cloud_event_for_the_official_parser(api: Api) -> None:
    identifier = new_id()
    sequence = await api.platform.tell(STEP, id=identifier, correlation_id=new_id())
    stored = await api.service.nc.jetstream().get_msg("SLIPWAY", seq=sequence)
    assert stored.headers
    assert stored.data

    parsed = from_binary_event(HTTPMessage(headers=stored.headers, body=stored.data))

    assert parsed.get_id() == identifier
    assert parsed.get_type() == f"dev.slipway.{STEP.type}"
    assert parsed.get_datacontenttype() == "application/json"
    assert parsed.get_extension("correlationid") == stored.headers["ce-correlationid"]
    assert parsed.get_data() == json.loads(STEP.model_dump_json())


async def test_a_stream_of_cdevents_tells_what_has_a_meaning_there_and_nothing_else(api: Api) -> None:
    version = make_version()
    serving = Serving(
        alias="live", release=1, version=version.id, label=version.label, target="local", before=None
    )
    owner = {"group": "default", "deployment": "digits"}

    async with subscribed(api.http, query={"format": "cdevents"}) as subscriber:
        await api.platform.publish_version()
        await api.platform.tell(STEP)
        await api.platform.tell(ReleaseLive(**owner, release=1, seconds=1.0, serving=serving))
        await api.platform.tell(TrafficShifted(**owner, shares=(TrafficShare(release=1, weight=100),)))
        await api.platform.tell(TrafficShifted(**owner, shares=()))
        await eventually(lambda: len(subscriber.events) == 5)

    parsed = [read_structured(event.data) for event in subscriber.events]
    kinds = [
        "build.started", "build.finished", "artifact.published", "service.deployed", "service.removed",
    ]  # fmt: skip
    assert subscriber.types == [f"dev.cdevents.{kind}.0.3.0" for kind in kinds]
    assert [event.get_type() for event in parsed] == subscriber.types
    assert parsed[2].get_subject() == package_url(version)
    for event in parsed:
        data = event.get_data()
        assert isinstance(data, dict)
        cdevents_schema.check(data)


async def test_of_two_cdevents_of_one_message_only_the_last_moves_the_position(api: Api) -> None:
    async with subscribed(api.http, query={"format": "cdevents"}) as subscriber:
        await api.platform.publish_version()
        end = await api.platform.log.end()
        await eventually(lambda: len(subscriber.events) == 3)
    async with subscribed(api.http, query={"format": "cdevents"}, last_event_id=end - 1) as again:
        await eventually(lambda: len(again.events) == 2)

    assert [event.id for event in subscriber.events] == [str(end - 1), "", str(end)]
    assert again.events == subscriber.events[1:]


async def test_what_has_no_meaning_moves_the_position_with_the_heartbeat(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with (
        running_api(
            connection=connection, database_url=await make_database(), folder=tmp_path, heartbeat="PT0.05S"
        ) as api,
        subscribed(api.http, query={"format": "cdevents"}) as subscriber,
    ):
        told = await api.platform.tell(STEP)
        await eventually(lambda: subscriber.messages[-1].id == str(told))

    assert subscriber.events == []


async def test_only_a_stream_has_another_format(api: Api) -> None:
    page = await api.http.get("/v1/events", params={"format": "cdevents"})
    stream = await api.http.get(
        "/v1/events", params={"format": "xml"}, headers={"Accept": "text/event-stream"}
    )

    assert problem(page, 422, "InvalidRequest")["errors"][0]["pointer"] == "format"
    problem(stream, 422, "InvalidRequest")
