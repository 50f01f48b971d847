"""Log lines by release: which one had the replica that wrote them, also where several share it."""

import json
from datetime import datetime
from typing import Any

from api_world import Api, problem
from event_subscriber import subscribed
from eventually import eventually
from slipway_contracts import subjects
from slipway_contracts.envelope import now
from slipway_contracts.log_lines import LogLine, LogLines, LogStream
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState

LOGS = "/v1/groups/default/deployments/digits/logs"
OWNER = {"group": "default", "deployment": "digits"}


async def write(api: Api, workload: str, *texts: str, replica: str = "0-1", at: datetime) -> None:
    lines = tuple(LogLine(at=at, stream=LogStream.STDOUT, text=text) for text in texts)
    subject = subjects.replica_log("default", "digits", workload, replica)
    await api.service.connection.request(subject, LogLines(lines=lines).model_dump_json().encode(), within=5)


async def go_live(api: Api, accepted: dict[str, Any], config: ReleaseConfig | None = None) -> str:
    """Let another release go live with its first replica, and return its workload."""
    await api.platform.bring_live(accepted["operation"]["id"], config)
    assert api.platform.desired is not None
    (workload,) = api.platform.desired.releases[0].workloads.values()
    await api.platform.tell(
        ReplicaFact(
            **OWNER,
            workload=workload,
            replica="0-1",
            endpoint="predict",
            target="local",
            state=ReplicaState.STARTED,
            transition=1,
            epoch=1,
            at=now(),
        )
    )
    return workload


async def read(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.http.get(LOGS, params={"at_least": await api.platform.log.end(), **query})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def named(lines: list[dict[str, Any]]) -> list[tuple[int | None, str, str]]:
    return [(line.get("release"), line["replica"], line["text"]) for line in lines]


async def test_a_line_names_the_release_that_had_the_replica_when_it_was_written(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()
    before = now()
    shared = await go_live(api, accepted)
    first = now()
    other = await go_live(api, accepted, ReleaseConfig(environment={"MODE": "new"}))
    assert await go_live(api, accepted) == shared
    third = now()

    await write(api, shared, "early", at=before)
    await write(api, shared, "one", at=first)
    await write(api, other, "two", at=third)
    await write(api, shared, "three", at=third)

    assert named(await read(api)) == [
        (1, "0-1", "early"),
        (1, "0-1", "one"),
        (2, "0-1", "two"),
        (3, "0-1", "three"),
    ]


async def test_the_lines_of_a_release_are_those_of_all_replicas_that_it_has(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()
    shared = await go_live(api, accepted)
    other = await go_live(api, accepted, ReleaseConfig(environment={"MODE": "new"}))
    await go_live(api, accepted)
    await write(api, shared, "shared", at=now())
    await write(api, other, "other", at=now())

    assert named(await read(api, release=1)) == [(1, "0-1", "shared")]
    assert named(await read(api, release=2)) == [(2, "0-1", "other")]
    assert named(await read(api, release=3)) == [(3, "0-1", "shared")]
    problem(await api.http.get(LOGS, params={"release": 4}), 404, "ReleaseNotFound")


async def test_a_slot_has_the_lines_of_all_its_attempts_and_of_no_other_slot(api: Api) -> None:
    await api.platform.publish_version()
    workload = await go_live(api, (await api.create()).json())
    for replica in ("0-1", "0-2", "1-1", "10-1"):
        await write(api, workload, f"of {replica}", replica=replica, at=now())

    async def replicas(**query: Any) -> list[str]:
        return [line["replica"] for line in await read(api, **query)]

    assert await replicas(replica="0") == ["0-1", "0-2"]
    assert await replicas(replica="1") == ["1-1"]
    assert await replicas(replica="0-2") == ["0-2"]
    assert await replicas(replica="0", release=1, tail=1) == ["0-2"]


async def test_what_is_followed_is_filtered_like_what_is_there(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()
    first = await go_live(api, accepted)
    second = await go_live(api, accepted, ReleaseConfig(environment={"MODE": "new"}))
    began = now()
    at_least = await api.platform.log.end()
    query = {"follow": "true", "release": 2, "replica": "0", "since": began.isoformat(), "at_least": at_least}

    async with subscribed(api.http, LOGS, query=query) as subscriber:
        for workload, replica in ((first, "0-1"), (second, "1-1"), (second, "0-1"), (second, "0-2")):
            await write(api, workload, f"{workload} {replica}", replica=replica, at=now())
        await eventually(lambda: len(subscriber.events) == 2)

    assert [each.document["replica"] for each in subscriber.events] == ["0-1", "0-2"]


async def test_a_follower_learns_that_another_release_took_a_replica_over(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()
    workload = await go_live(api, accepted)
    at_least = await api.platform.log.end()

    async with subscribed(api.http, LOGS, query={"follow": "true", "at_least": at_least}) as subscriber:
        await write(api, workload, "first", at=now())
        await eventually(lambda: subscriber.events)
        await go_live(api, accepted)

        async def is_of_the_second() -> bool:
            await write(api, workload, "later", at=now())
            return bool(subscriber.events[-1].document["release"] == 2)

        await eventually(is_of_the_second)

    assert subscriber.events[0].document["release"] == 1
