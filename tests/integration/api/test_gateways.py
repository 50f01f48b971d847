"""Gateways: what they say, and the end of one that is gone for good."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from api_world import Api, problem, running_api
from eventually import eventually
from servers import NatsServer, free_port
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
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
                await asyncio.sleep(random.uniform(0, 0.005))  # noqa: S311 - no secret

        coming = asyncio.create_task(come_and_go())
        # How often it comes between the look and the removal depends on the machine.
        while answers.total() < 120 or (not {204, 409} <= set(answers) and answers.total() < 5000):
            answers[(await api.http.delete("/v1/gateways/edge-1")).status_code] += 1
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        removed = api.platform.log.read("slipway._._.evt.gateway.removed", after=0)
        told = [stored.message async for stored in removed]

    judged = [message.applied for message in told if isinstance(message, GatewayRemoved)]
    removals = [sequence for sequence in range(1, max(beats)) if sequence not in beats]
    assert len(judged) <= answers[204]
    assert [beats.get(sequence - 1) for sequence in removals] == judged[: len(removals)]
    assert {204, 409} <= set(answers) <= {204, 404, 409}


async def test_an_unknown_gateway_is_told_from_those_there_are(api: Api, connection: Connection) -> None:
    await beat(connection, "edge-1")

    document = problem(await api.http.delete("/v1/gateways/moon"), 404, "GatewayNotFound")

    assert document["gateways"] == ["edge-1"]


async def test_only_admins_remove_gateways(api: Api, connection: Connection) -> None:
    await beat(connection, "edge-1")
    deployer = api.client(await api.key_for("ada", default="admin"))

    assert (await deployer.get("/v1/gateways")).status_code == 200
    problem(await deployer.delete("/v1/gateways/edge-1"), 403, "RoleMissing")


class _Deaf:
    """A way to NATS on which nothing comes back from the moment that a record is removed, until `hear`."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self._to = port
        self._deaf = False
        self._forwarding: set[asyncio.Task[None]] = set()

    def hear(self) -> None:
        """Let come back what comes from now on, on new connections."""
        self._deaf = False
        for each in self._forwarding:
            each.cancel()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        yield f"nats://127.0.0.1:{self.port}"
        for each in self._forwarding:
            each.cancel()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_nats, to_nats = await asyncio.open_connection("127.0.0.1", self._to)
        both = (self._forward(reader, to_nats), self._forward(from_nats, writer, back=True))
        self._forwarding = {asyncio.create_task(each) for each in both}
        await asyncio.wait(self._forwarding)
        for each in (to_nats, writer):
            each.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        while chunk := await reader.read(1 << 16):
            self._deaf = self._deaf or (not back and b"KV-Operation" in chunk)
            if not (back and self._deaf):
                writer.write(chunk)


async def test_a_removal_whose_confirmation_is_lost_is_unknown_and_a_repeat_tells_it_once(
    connection: Connection,
    fresh_nats: NatsServer,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    heartbeats = await beat(connection, "edge-1")
    way = _Deaf(fresh_nats.port)
    async with way.open() as url:
        way_in = await Connection.open(url=url, user=None, password=None, name="api")
        async with running_api(
            connection=way_in,
            database_url=await make_database(),
            folder=tmp_path,
            gateway_silent_after=timedelta(milliseconds=1),
        ) as api:
            answer = await api.http.delete("/v1/gateways/edge-1")
            removed = await heartbeats.last("edge-1")
            back = asyncio.Event()
            way_in.add_listener(back.set)
            way.hear()
            await asyncio.wait_for(back.wait(), 30)

            repeats = [await api.http.delete("/v1/gateways/edge-1") for _ in range(2)]

            events = EventLog(connection=connection).read("slipway._._.evt.gateway.removed", after=0)
            told = [stored async for stored in events]
        await way_in.close()

    document = problem(answer, 503, "LogUnavailable")
    assert removed is not None
    assert removed.data is None
    assert document["outcome"] == "unknown"
    assert [each.status_code for each in repeats] == [204, 204]
    assert [each.envelope.id for each in told] == [document["message"]]
    (message,) = [each.message for each in told]
    assert isinstance(message, GatewayRemoved)
    assert (message.gateway, message.applied, message.by) == ("edge-1", 7, "admin")
