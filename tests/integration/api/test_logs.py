"""Log lines: the last ones, those since a time, those to come."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_world import SOURCE_DIGEST, Api, problem
from event_subscriber import subscribed
from eventually import eventually
from slipway_contracts import subjects
from slipway_contracts.envelope import now
from slipway_contracts.log_lines import LogLine, LogLines, LogStream
from slipway_contracts.replica import ReplicaFact, ReplicaState

LOGS = "/v1/groups/default/deployments/digits/logs"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WORKLOADS = {"predict": "a" * 16, "greet": "b" * 16}


async def write(api: Api, subject: str, *texts: str, at: datetime = BEGAN) -> None:
    lines = tuple(LogLine(at=at, stream=LogStream.STDOUT, text=text) for text in texts)
    await api.service.connection.request(subject, LogLines(lines=lines).model_dump_json().encode(), within=5)


def replica_subject(endpoint: str, replica: str = "0-1") -> str:
    return subjects.replica_log("default", "digits", WORKLOADS[endpoint], replica)


async def run_replicas(api: Api) -> int:
    """Let the projection know a deployment with a replica of each endpoint."""
    await api.platform.publish_version()
    await api.create()
    last = 0
    for endpoint, workload in WORKLOADS.items():
        last = await api.platform.tell(
            ReplicaFact(
                group="default",
                deployment="digits",
                workload=workload,
                replica="0-1",
                endpoint=endpoint,
                target="local",
                state=ReplicaState.STARTED,
                transition=1,
                epoch=1,
                at=now(),
            )
        )
    return last


async def read(api: Api, path: str = LOGS, **query: Any) -> list[dict[str, Any]]:
    answer = await api.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_lines_name_their_replica_and_endpoint(api: Api) -> None:
    at_least = await run_replicas(api)
    await write(api, replica_subject("predict"), "one", "two")
    await write(api, replica_subject("greet"), "hello")

    lines = await read(api, at_least=at_least)

    assert [(line["text"], line["endpoint"], line["replica"], line["stream"]) for line in lines] == [
        ("one", "predict", "0-1", "stdout"),
        ("two", "predict", "0-1", "stdout"),
        ("hello", "greet", "0-1", "stdout"),
    ]


async def test_lines_are_chosen_by_endpoint_replica_time_and_number(api: Api) -> None:
    at_least = await run_replicas(api)
    for hour in range(4):
        at = BEGAN + timedelta(hours=hour)
        await write(api, replica_subject("predict"), f"predict {hour}", at=at)
        await write(api, replica_subject("greet", "1-1"), f"greet {hour}", at=at)

    async def texts(**query: Any) -> list[str]:
        return [line["text"] for line in await read(api, at_least=at_least, **query)]

    assert await texts(endpoint="greet") == ["greet 0", "greet 1", "greet 2", "greet 3"]
    assert await texts(replica="0-1", tail=2) == ["predict 2", "predict 3"]
    assert await texts(since="2026-01-01T03:00:00Z") == ["predict 3", "greet 3"]
    assert await texts(tail=0) == []


async def test_a_tail_reaches_back_over_the_lines_of_others(api: Api) -> None:
    at_least = await run_replicas(api)
    await write(api, replica_subject("predict"), *(f"line {number}" for number in range(10)))
    other = subjects.replica_log("default", "other", "c" * 16, "0-1")
    await asyncio.gather(*(write(api, other, "noise") for _ in range(600)))

    lines = await read(api, at_least=at_least, tail=3)

    assert [line["text"] for line in lines] == ["line 7", "line 8", "line 9"]


async def test_an_answer_is_bounded_by_its_bytes_and_says_what_it_left_out(api: Api) -> None:
    at_least = await run_replicas(api)
    every = [[f"{message} {line}" for line in range(40)] for message in range(20)]
    for some in every:
        await write(api, replica_subject("predict"), *(f"{text} ".ljust(16_384, "x") for text in some))

    answer = await api.http.get(LOGS, params={"at_least": at_least, "tail": 100_000})
    remark, *lines = [json.loads(line) for line in answer.text.splitlines()]
    texts = [line["text"].rstrip("x").strip() for line in lines]

    assert (8 << 20) - 20_000 < len(answer.content) < (8 << 20) + 1000
    assert (remark["stream"], remark["at"]) == ("slipway", lines[0]["at"])
    assert "earlier lines are left out" in remark["text"]
    assert texts == [text for some in every for text in some][-len(texts) :]


async def test_a_line_is_one_line_for_every_reader(api: Api) -> None:
    at_least = await run_replicas(api)
    await write(api, replica_subject("predict"), "a\u2028b\x85c\nd")

    lines = await read(api, at_least=at_least)

    assert [line["text"] for line in lines] == ["a\u2028b\x85c\nd"]


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_following_goes_on_with_what_is_written(api: Api, accept: str) -> None:
    at_least = await run_replicas(api)
    await write(api, replica_subject("predict"), "before")
    found: list[str] = []

    async def follow() -> None:
        query: dict[str, Any] = {"follow": "true", "at_least": at_least}
        async with api.http.stream("GET", LOGS, params=query, headers={"Accept": accept}) as answer:
            async for line in answer.aiter_lines():
                if "{" in line:
                    found.append(json.loads(line.removeprefix("data: "))["text"])  # noqa: PERF401

    following = asyncio.create_task(follow())
    await eventually(lambda: found == ["before"])
    for number in range(5):
        await write(api, replica_subject("predict"), f"line {number}")
    await eventually(lambda: len(found) == 6)
    following.cancel()

    assert found == ["before", *(f"line {number}" for number in range(5))]


async def test_following_ends_when_the_process_stops(api: Api) -> None:
    at_least = await run_replicas(api)

    async with subscribed(api.http, LOGS, query={"follow": "true", "at_least": at_least}) as subscriber:
        api.service.stopping.set()
        await eventually(lambda: subscriber.ended)


async def test_a_new_workload_is_named_once_the_projection_knows_it(api: Api) -> None:
    await api.platform.publish_version()
    at_least = (await api.create()).json()["sequence"]

    async with subscribed(
        api.http, LOGS, query={"follow": "true", "endpoint": "predict", "at_least": at_least}
    ) as subscriber:

        async def seen() -> bool:
            await write(api, replica_subject("predict"), "line")
            return bool(subscriber.events)

        await write(api, replica_subject("predict"), "too early")
        await run_facts_only(api)
        await eventually(seen)

    assert subscriber.events[0].document["endpoint"] == "predict"


async def run_facts_only(api: Api) -> None:
    await api.platform.tell(
        ReplicaFact(
            group="default",
            deployment="digits",
            workload=WORKLOADS["predict"],
            replica="0-1",
            endpoint="predict",
            target="local",
            state=ReplicaState.STARTED,
            transition=1,
            epoch=1,
            at=now(),
        )
    )


async def test_a_build_has_a_log_of_its_own(api: Api) -> None:
    await api.upload()
    path = "/v1/groups/default/deployments/digits/builds"
    accepted = (await api.http.post(path, json={"source": SOURCE_DIGEST})).json()
    build = accepted["build"]
    await write(api, subjects.build_log("default", "digits", build), "Resolved 3 packages")

    lines = await read(api, f"{path}/{build}/log", at_least=accepted["sequence"])
    other = await api.http.get(f"/v1/groups/default/deployments/other/builds/{build}/log")
    unknown = await api.http.get("/v1/groups/default/deployments/unknown/logs")

    assert [line["text"] for line in lines] == ["Resolved 3 packages"]
    assert "replica" not in lines[0]
    problem(other, 404, "BuildNotFound")
    problem(unknown, 404, "DeploymentNotFound")
