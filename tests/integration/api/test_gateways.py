"""Gateways: what they say, and the end of one that is gone for good."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from api_world import Api, problem, running_api
from eventually import eventually
from slipway_chassis.connection import Connection
from slipway_chassis.heartbeats import Heartbeats
from slipway_contracts.envelope import now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.installation_events import GatewayRemoved
from slipway_contracts.topology import GATEWAYS


async def beat(connection: Connection, name: str, *, applied: int = 7) -> Heartbeats:
    heartbeats = Heartbeats(connection=connection, bucket=GATEWAYS.name)
    record = GatewayRecord(gateway=name, applied=applied, held={"default/digits": 5}, at=now())
    await heartbeats.beat(name, record.model_dump_json().encode())
    return heartbeats


async def test_gateways_are_listed_with_what_they_have_applied(api: Api, connection: Connection) -> None:
    await beat(connection, "edge-2")
    await beat(connection, "edge-1", applied=9)

    listed = (await api.http.get("/v1/gateways")).json()["items"]

    assert [(each["name"], each["applied"]) for each in listed] == [("edge-1", 9), ("edge-2", 7)]
    assert listed[0]["held"] == {"default/digits": 5}
    assert listed[0]["silent"] is False


async def test_a_gateway_that_runs_is_not_removed(api: Api, connection: Connection) -> None:
    heartbeats = await beat(connection, "edge-1")

    document = problem(await api.http.delete("/v1/gateways/edge-1"), 409, "GatewayAlive")

    assert document["silent_after_seconds"] == 15
    assert [each.key for each in await heartbeats.list()] == ["edge-1"]


async def test_a_silent_gateway_is_removed_and_the_log_says_by_whom(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with running_api(
        connection=connection,
        database_url=await make_database(),
        folder=tmp_path,
        gateway_silent_after=timedelta(milliseconds=1),
    ) as api:
        heartbeats = await beat(connection, "edge-1")

        async def removed() -> bool:
            return (await api.http.delete("/v1/gateways/edge-1")).status_code == 204

        await eventually(removed)

    told = await api.platform.log.last("slipway._._.evt.gateway.removed")
    assert told is not None
    assert isinstance(told.message, GatewayRemoved)
    assert (told.message.gateway, told.message.applied, told.message.by) == ("edge-1", 7, "admin")
    assert await heartbeats.list() == []


async def test_a_gateway_that_comes_back_while_it_is_removed_stays(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    beats: dict[int, int] = {}
    answers: Counter[int] = Counter()
    async with running_api(
        connection=connection,
        database_url=await make_database(),
        folder=tmp_path,
        gateway_silent_after=timedelta(microseconds=1),
    ) as api:

        async def come_and_go() -> None:
            heartbeats = Heartbeats(connection=connection, bucket=GATEWAYS.name)
            while True:
                record = GatewayRecord(gateway="edge-1", applied=len(beats), at=now())
                beats[await heartbeats.beat("edge-1", record.model_dump_json().encode())] = record.applied
                await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - no secret

        coming = asyncio.create_task(come_and_go())
        for _ in range(120):
            answers[(await api.http.delete("/v1/gateways/edge-1")).status_code] += 1
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        removed = api.platform.log.read("slipway._._.evt.gateway.removed", after=0)
        told = [stored.message async for stored in removed]

    judged = [message.applied for message in told if isinstance(message, GatewayRemoved)]
    removals = [sequence for sequence in range(1, max(beats)) if sequence not in beats]
    assert len(judged) == answers[204]
    assert [beats.get(sequence - 1) for sequence in removals] == judged[: len(removals)]
    assert set(answers) == {204, 404, 409}


async def test_an_unknown_gateway_is_told_from_those_there_are(api: Api, connection: Connection) -> None:
    await beat(connection, "edge-1")

    document = problem(await api.http.delete("/v1/gateways/moon"), 404, "GatewayNotFound")

    assert document["gateways"] == ["edge-1"]


async def test_only_admins_remove_gateways(api: Api, connection: Connection) -> None:
    await beat(connection, "edge-1")
    deployer = api.client(await api.key_for("ada", default="admin"))

    assert (await deployer.get("/v1/gateways")).status_code == 200
    problem(await deployer.delete("/v1/gateways/edge-1"), 403, "RoleMissing")
