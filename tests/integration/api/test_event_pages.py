"""The page of events tells what the stream tells, to the same callers."""

import json
from datetime import datetime
from typing import Any

import httpx
import pytest
from api_world import Api, problem
from event_subscriber import subscribed
from eventually import eventually
from slipway_api.submitting.outgoing import outgoing
from slipway_contracts.envelope import new_id
from slipway_contracts.installation_events import GroupConfigured

ENVELOPE = {
    "ce-specversion": "1.0",
    "ce-source": "/slipway/newer",
    "ce-subject": "default/digits",
    "ce-time": "2026-01-01T12:00:00Z",
}


async def give(api: Api, subject: str, body: bytes, headers: dict[str, str]) -> int:
    """Let the log have what no service of this release writes."""
    receipt = await api.service.nc.jetstream().publish(subject, body, headers=headers)
    return int(receipt.seq)


async def both(api: Api, client: httpx.AsyncClient, **query: Any) -> tuple[list[Any], list[Any]]:
    """Return the whole log as the page and as the stream tell it."""
    end = await api.platform.log.end()
    answer = await client.get("/v1/events", params={"page_size": 500, "at_least": end, **query})
    page = answer.json()["items"]
    async with subscribed(client, query={"from": 0, **query}) as subscriber:
        await eventually(lambda: subscriber.messages and int(subscriber.messages[-1].id or 0) >= end)
        streamed = [message.document for message in subscriber.events]
    return page, streamed


def with_moments(documents: list[Any]) -> list[Any]:
    return [each | {"time": datetime.fromisoformat(each["time"])} for each in documents]


async def test_the_page_and_the_stream_tell_every_message_alike(api: Api) -> None:
    await api.upload()
    await api.platform.publish_version()
    await api.create()
    await api.key_for("ada", default="viewer")
    newer = {**ENVELOPE, "ce-id": new_id(), "ce-type": "dev.slipway.release.frozen.v1"}
    unknown = await give(api, "slipway.default.digits.evt.release.frozen", b'{"a": 1.5}', newer)
    broken = {**ENVELOPE, "ce-id": new_id(), "ce-type": "dev.slipway.release.live.v1"}
    odd = await give(api, "slipway.default.digits.evt.release.live", b'{"release": null}', broken)
    text = {**ENVELOPE, "ce-id": new_id(), "ce-type": "dev.slipway.release.frozen.v1"}
    no_json = await give(api, "slipway.default.digits.evt.release.frozen", b"\xff no JSON", text)
    nameless = await give(api, "slipway.default.digits.evt.release.frozen", b'{"b": [2]}', {})

    page, streamed = await both(api, api.http)

    assert with_moments(page) == with_moments(streamed)
    told = {int(each["sequence"]): each for each in page}
    assert told[unknown]["data"] == {"a": 1.5}
    assert told[odd]["data"] == {"release": None}
    assert isinstance(told[no_json]["data"], str)
    assert "subject" not in told[nameless]
    subjects = {each.get("subject") for each in page}
    assert {"admin", "ada", "default"} < subjects
    assert any((subject or "").startswith("default/sha256:") for subject in subjects)


async def test_a_begin_of_types_covers_those_that_a_newer_release_writes(api: Api) -> None:
    newer = {**ENVELOPE, "ce-id": new_id(), "ce-type": "dev.slipway.release.frozen.v1"}
    await give(api, "slipway.default.digits.evt.release.frozen", json.dumps({}).encode(), newer)

    for types, expected in [("release", ["release.frozen.v1"]), ("release.live", [])]:
        page, streamed = await both(api, api.http, types=types)
        found = [each["type"].removeprefix("dev.slipway.") for each in page]
        assert found == expected
        assert with_moments(page) == with_moments(streamed)


async def test_a_key_of_one_group_gets_the_events_of_targets_on_the_page_too(api: Api) -> None:
    zoe = api.client(await api.key_for("zoe", vision="viewer"))
    # Last, since a stream tells how far it is of what its reader does not see with its next heartbeat only.
    await api.platform.log.publish(outgoing(GroupConfigured(group="vision"), identifier=new_id()))

    page, streamed = await both(api, zoe)
    of_group, streamed_of_group = await both(api, zoe, group="vision")

    types = [each["type"].removeprefix("dev.slipway.") for each in page]
    assert sorted(types) == ["group.configured.v1", "target.announced.v1"]
    assert with_moments(page) == with_moments(streamed)
    assert [each["type"] for each in of_group] == ["dev.slipway.group.configured.v1"]
    assert of_group == streamed_of_group


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("relaese.live", "release.live.v1"), ("RELEASE", "release"), ("Release.Live", "release.live.v1")],
)
async def test_a_type_that_is_nearly_one_is_refused_with_that(api: Api, given: str, nearest: str) -> None:
    answer = await api.http.get("/v1/events", params={"types": given})

    document = problem(answer, 422, "InvalidRequest")
    assert document["errors"][0]["nearest"] == nearest
    assert f"did you mean {nearest}?" in document["detail"]


async def test_a_type_that_is_like_none_is_refused_without_a_guess(api: Api) -> None:
    document = problem(await api.http.get("/v1/events", params={"types": "nope"}), 422, "InvalidRequest")

    assert "did you mean" not in document["detail"]
    assert "nearest" not in document["errors"][0]
