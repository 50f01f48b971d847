"""The event stream: in order, without gap or repeat, for whom it is meant."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import Api, problem, running_api
from event_subscriber import subscribed
from eventually import eventually
from slipway_api.submitting.outgoing import outgoing
from slipway_chassis.connection import Connection
from slipway_contracts.commands import Stop
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import new_id
from slipway_contracts.events import BuildStepStarted
from slipway_contracts.installation_events import GroupConfigured
from slipway_contracts.names import derived_id
from slipway_contracts.topology import LOG

BUILD = derived_id("build")


def step(number: int, group: str = "default", deployment: str = "digits") -> BuildStepStarted:
    return BuildStepStarted(group=group, deployment=deployment, build=BUILD, step=f"step {number}")


async def tell(api: Api, count: int, **owner: str) -> list[int]:
    return [await api.platform.tell(step(number, **owner)) for number in range(count)]


async def test_a_subscriber_without_position_gets_what_happens_from_now_on(api: Api) -> None:
    await tell(api, 3)

    async with subscribed(api.http) as subscriber:
        told = await tell(api, 3)
        await eventually(lambda: len(subscriber.events) >= 3)

    assert subscriber.ids == told


async def test_an_event_is_a_structured_cloud_event(api: Api) -> None:
    async with subscribed(api.http) as subscriber:
        sequence = await api.platform.tell(
            step(1), traceparent=f"00-{1:032x}-{1:016x}-01", causation_id=BUILD
        )
        await eventually(lambda: subscriber.events)

    message = subscriber.events[0]
    document = message.document
    assert (message.id, message.event) == (str(sequence), "build.step-started.v1")
    assert document["specversion"] == "1.0"
    assert document["type"] == "dev.slipway.build.step-started.v1"
    assert document["source"] == "/slipway/test"
    assert document["subject"] == "default/digits"
    assert document["causationid"] == BUILD
    assert document["traceparent"] == f"00-{1:032x}-{1:016x}-01"
    assert document["data"]["step"] == "step 1"


async def test_a_client_that_returns_misses_nothing_and_sees_nothing_twice(api: Api) -> None:
    async with subscribed(api.http) as before:
        told = await tell(api, 3)
        await eventually(lambda: len(before.events) == 3)
    told += await tell(api, 4)

    async with subscribed(api.http, last_event_id=before.ids[-1]) as after:
        told += await tell(api, 3)
        await eventually(lambda: len(before.events + after.events) >= len(told))

    assert before.ids + after.ids == told


async def test_from_zero_is_the_whole_log_and_the_page_tells_the_same(api: Api) -> None:
    await tell(api, 3)
    end = await api.platform.log.end()

    async with subscribed(api.http, query={"from": 0}) as subscriber:
        await eventually(lambda: subscriber.ids and subscriber.ids[-1] == end)
    page = await api.http.get("/v1/events", params={"at_least": end})

    assert subscriber.ids == list(range(1, end + 1))
    assert [int(item["sequence"]) for item in page.json()["items"]] == subscriber.ids
    assert [item["data"] for item in page.json()["items"]] == [
        message.document["data"] for message in subscriber.events
    ]


async def test_filters_of_stream_and_page_agree(api: Api) -> None:
    await tell(api, 2)
    await tell(api, 2, deployment="other")
    await api.platform.tell(Stop(group="default", deployment="digits", by="x", request_digest="y"))
    await api.platform.tell(Desired(group="default", deployment="digits", position=1))
    end = await api.platform.log.end()

    for query, types in [
        ({"group": "default", "deployment": "other"}, ["build.step-started.v1"] * 2),
        ({"deployment": "digits"}, ["build.step-started.v1"] * 2 + ["command.stop.v1"]),
        ({"types": "command,desired"}, ["command.stop.v1", "desired.v1"]),
        ({"types": "dev.slipway.desired.*"}, ["desired.v1"]),
        ({"types": "build.step-started", "deployment": "other"}, ["build.step-started.v1"] * 2),
    ]:
        expected = types
        async with subscribed(api.http, query={"from": 0} | query) as subscriber:
            await eventually(lambda: subscriber.types == expected)  # noqa: B023
        page = await api.http.get("/v1/events", params={**query, "at_least": end})
        found = [item["type"].removeprefix("dev.slipway.") for item in page.json()["items"]]
        assert found == types


async def test_a_type_that_does_not_exist_is_refused_with_the_nearest(api: Api) -> None:
    answer = await api.http.get("/v1/events", params={"types": "relaese.live"})

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["nearest"] == "release.live.v1"


async def test_a_key_sees_the_events_of_its_groups_only(api: Api) -> None:
    await api.platform.log.publish(outgoing(GroupConfigured(group="vision"), identifier=new_id()))
    key = await api.key_for("zoe", vision="viewer")

    async with api.client(key) as zoe, subscribed(zoe, query={"from": 0}) as subscriber:
        await tell(api, 2)
        told = await tell(api, 2, group="vision")
        await eventually(lambda: subscriber.ids[-2:] == told)

    assert set(subscriber.types) == {"group.configured.v1", "target.announced.v1", "build.step-started.v1"}
    groups = {message.document["data"].get("group", "vision") for message in subscriber.events}
    assert groups == {"vision"}


@pytest.mark.parametrize("held", [1, 3, 4096])
async def test_a_subscriber_that_fell_out_of_the_ring_is_brought_back_without_gap(
    connection: Connection,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
    held: int,
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, feed_events=held
    ) as api:
        told: list[int] = []
        async with subscribed(api.http) as subscriber:
            for _ in range(5):
                batch = await asyncio.gather(*(api.platform.tell(step(n)) for n in range(40)))
                told += batch
            await eventually(lambda: len(subscriber.events) >= len(told))

    assert subscriber.ids == sorted(told)


async def test_a_client_that_does_not_read_costs_the_others_nothing_and_loses_nothing(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, feed_bytes=1 << 20
    ) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.service.settings.port)
        head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        writer.write(f"{head}Accept: text/event-stream\r\n\r\n".encode())
        await reader.readuntil(b": connected")

        async with subscribed(api.http) as subscriber:
            large = "x" * 50_000
            told = [
                await api.platform.tell(
                    BuildStepStarted(group="default", deployment="digits", build=BUILD, step=large)
                )
                for _ in range(400)
            ]
            await eventually(lambda: len(subscriber.events) == len(told))
        received = b""
        async with asyncio.timeout(20):
            while b"id: %d\nevent" % told[-1] not in received[-200_000:]:
                received += await reader.read(1 << 20)
        writer.close()

    assert subscriber.ids == told
    late = [int(line[4:]) for line in received.split(b"\n") if line.startswith(b"id: ")]
    assert [sequence for sequence in late if sequence >= told[0]] == told


async def test_a_beginning_that_is_no_longer_kept_is_told_as_a_gap(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, feed_events=1
    ) as api:
        told = await tell(api, 10)
        await api.service.nc.jetstream().purge_stream(LOG.name, seq=told[5])

        async with subscribed(api.http, last_event_id=told[1]) as subscriber:
            await eventually(lambda: len(subscriber.events) == 6)

    gap = subscriber.events[0]
    assert gap.event == "gap"
    assert (gap.document["from"], gap.document["to"]) == (told[1] + 1, told[5] - 1)
    assert gap.document["first_available"] == told[5]
    assert gap.id == str(told[5] - 1)
    assert subscriber.ids[1:] == told[5:]


async def test_a_position_behind_the_end_is_told_as_a_gap_and_the_stream_goes_on(api: Api) -> None:
    end = await api.platform.log.end()

    async with subscribed(api.http, last_event_id=end + 1000) as subscriber:
        told = await tell(api, 1)
        await eventually(lambda: len(subscriber.events) == 2)

    assert subscriber.types == ["gap", "build.step-started.v1"]
    assert subscriber.ids == [end, *told]
    gap = subscriber.events[0].document
    assert (gap["from"], gap["to"], gap["first_available"]) == (end + 1, end + 1000, end + 1)


async def test_silence_has_a_heartbeat_that_moves_the_position(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with (
        running_api(
            connection=connection, database_url=await make_database(), folder=tmp_path, heartbeat="PT0.05S"
        ) as api,
        subscribed(api.http, query={"deployment": "digits"}) as subscriber,
    ):
        told = await tell(api, 1, deployment="other")
        await eventually(lambda: subscriber.messages[-1].id == str(told[0]))

    assert subscriber.events == []


async def test_a_busy_log_that_has_nothing_for_a_subscriber_does_not_silence_its_heartbeat(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with (
        running_api(
            connection=connection, database_url=await make_database(), folder=tmp_path, heartbeat="PT0.3S"
        ) as api,
        subscribed(api.http, query={"deployment": "digits"}) as subscriber,
    ):
        first = len(subscriber.messages)
        async with asyncio.timeout(10):
            while len(subscriber.messages) == first:
                (last,) = await tell(api, 1, deployment="other")

    assert subscriber.events == []
    assert 0 < int(subscriber.messages[-1].id) <= last


async def test_a_reader_for_whom_there_is_nothing_is_back_in_the_ring_after_one_look_at_the_log(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, feed_events=1
    ) as api:
        told = await tell(api, 5, deployment="other")
        async with subscribed(api.http, query={"from": 0, "deployment": "digits"}) as subscriber:
            await eventually(lambda: subscriber.messages[-1].id == str(told[-1]))
            looked = len(subscriber.messages)
            told += await tell(api, 1)
            await eventually(lambda: subscriber.events)

    assert subscriber.ids == told[-1:]
    assert len(subscriber.messages) == looked + 1


async def test_event_streams_end_when_the_process_stops(api: Api) -> None:
    async with subscribed(api.http) as subscriber:
        api.service.stopping.set()
        await eventually(lambda: subscriber.ended)


async def test_the_stream_goes_on_after_the_log_was_killed(api: Api, fresh_nats: Any) -> None:
    async with subscribed(api.http) as subscriber:
        told = await tell(api, 2)
        fresh_nats.restart()
        told += await tell(api, 2)
        await eventually(lambda: len(subscriber.events) >= 4)

    assert subscriber.ids == told


async def test_pages_of_events_continue_where_the_last_one_ended(api: Api) -> None:
    await tell(api, 7)
    end = await api.platform.log.end()
    found: list[int] = []
    token: str | None = None

    while True:
        query: dict[str, Any] = {"page_size": 3, "at_least": end}
        page = await api.http.get("/v1/events", params=query | ({"page_token": token} if token else {}))
        found += [int(item["sequence"]) for item in page.json()["items"]]
        token = page.json()["next_page_token"]
        if token is None:
            break

    assert found == list(range(1, end + 1))
    for foreign in ("nonsense", "WyJhIl0", httpx.QueryParams({"a": "\x00"})["a"]):
        answer = await api.http.get("/v1/events", params={"page_token": foreign})
        problem(answer, 422, "InvalidRequest")


@pytest.mark.parametrize("kind", ["webhook", "webhook.configured", "webhook.pinged", "webhook.answered.v1"])
async def test_how_a_webhook_is_configured_and_tested_is_told_to_admins_only(api: Api, kind: str) -> None:
    query = {"group": "default", "types": kind}
    viewer = api.client(await api.key_for("eve", default="viewer"))
    admin = api.client(await api.key_for("ada", default="admin"))

    problem(await viewer.get("/v1/events", params=query), 403, "RoleMissing")
    assert (await admin.get("/v1/events", params=query)).status_code == 200
    assert (await viewer.get("/v1/events", params=query | {"types": "webhook.disabled"})).status_code == 200
