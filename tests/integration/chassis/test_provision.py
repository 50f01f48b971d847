"""Provisioning: repeatable, never destroying, keeping what was set by hand, clear when it cannot."""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import pytest
from log_messages import make_outgoing
from servers import NatsServer, clean_environment
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ProvisioningError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_contracts.topology import BUCKETS, CONSUMERS, DEPLOYER, STREAMS
from structlog.testing import capture_logs

CALLS_BEFORE_IT_GOES = 5


class AwayOnce:
    """Stands before a NATS server, and hangs up once, at the fifth call of JetStream's API."""

    def __init__(self, port: int) -> None:
        self.asked = 0
        self._port = port
        self._was_away = False

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_nats, to_nats = await asyncio.open_connection("127.0.0.1", self._port)
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._back(from_nats, writer))
                while chunk := await reader.read(1 << 16):
                    self.asked += chunk.count(b"PUB $JS.API.")
                    if self.asked >= CALLS_BEFORE_IT_GOES and not self._was_away:
                        self._was_away = True
                        break
                    to_nats.write(chunk)
                back.cancel()
        to_nats.close()
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)


async def stream_config(connection: Connection, name: str) -> dict[str, Any]:
    answer = await call(connection, f"STREAM.INFO.{name}", within=5)
    config: dict[str, Any] = answer["config"]
    return config


async def run_command(url: str, **variables: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "slipway_chassis.provision",
        env=clean_environment(SLIPWAY_NATS_URL=url, **variables),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_topology_is_made_as_it_is_written(connection: Connection) -> None:
    streams = await call(connection, "STREAM.NAMES", within=5)
    consumers = await call(connection, "CONSUMER.NAMES.SLIPWAY", within=5)
    log = await stream_config(connection, "SLIPWAY")
    leases = await stream_config(connection, "KV_leases")

    wanted = {spec.name for spec in STREAMS} | {f"KV_{spec.name}" for spec in BUCKETS}
    assert set(streams["streams"]) == wanted
    assert set(consumers["consumers"]) == {spec.durable for spec in CONSUMERS}
    assert (log["discard"], log["allow_atomic"], log["storage"]) == ("new", True, "file")
    assert log["duplicate_window"] == 24 * 3600 * 10**9
    assert (leases["allow_msg_ttl"], leases["max_msgs_per_subject"]) == (True, 1)


async def test_consumers_deliver_until_the_handler_decides(connection: Connection) -> None:
    info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)

    assert info["config"]["max_deliver"] == -1
    assert info["config"]["ack_policy"] == "explicit"


async def test_repeating_changes_nothing_and_keeps_messages_and_positions(
    connection: Connection, log: EventLog
) -> None:
    await log.publish(make_outgoing())
    before = [await stream_config(connection, spec.name) for spec in STREAMS]
    consumer = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)

    with capture_logs() as lines:
        await provision(connection)

    assert lines == []
    assert [await stream_config(connection, spec.name) for spec in STREAMS] == before
    again = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    assert again["config"] == consumer["config"]
    assert again["config"]["max_ack_pending"] == DEPLOYER.max_ack_pending
    assert await log.end() == 1


@pytest.mark.parametrize(
    ("stream", "limits"),
    [
        ("SLIPWAY", {"max_bytes": 1 << 30, "max_msgs": 1_000_000, "max_msg_size": 1 << 19}),
        ("SLIPWAY_LOGS", {"max_bytes": 9 << 30, "max_age": 3600 * 10**9}),
        ("SLIPWAY_LOGS", {"max_bytes": -1, "max_msgs_per_subject": 5}),
        ("KV_secrets", {"max_bytes": 1 << 20}),
    ],
)
async def test_limits_that_an_operator_set_stay_and_are_told(
    connection: Connection,
    stream: str,
    limits: dict[str, int],
) -> None:
    config = await stream_config(connection, stream)
    await call(connection, f"STREAM.UPDATE.{stream}", config | limits, within=5)

    with capture_logs() as lines:
        await provision(connection)

    now = await stream_config(connection, stream)
    told = [line for line in lines if line.get("stream") == stream]
    assert {name: now[name] for name in limits} == limits
    assert {line["limit"]: line["found"] for line in told} == limits
    assert {line["planned"] for line in told} == {config.get(limit, -1) for limit in limits}
    assert now | limits == config | limits


async def test_limit_of_the_log_that_removes_messages_is_told_as_an_error(
    connection: Connection,
) -> None:
    config = await stream_config(connection, "SLIPWAY")
    await call(connection, "STREAM.UPDATE.SLIPWAY", config | {"max_age": 24 * 3600 * 10**9}, within=5)

    with capture_logs() as lines:
        await provision(connection)

    (told,) = (line for line in lines if line["log_level"] == "error")
    assert "removes messages of the log for good" in told["event"]
    assert (await stream_config(connection, "SLIPWAY"))["max_age"] == 24 * 3600 * 10**9


async def test_limit_that_nobody_touched_becomes_as_wide_as_a_release_wants_it(
    connection: Connection,
) -> None:
    now = await stream_config(connection, "SLIPWAY_LOGS")
    of_before = now | {
        "max_bytes": 1 << 30,
        "metadata": now["metadata"] | {"slipway.provisioned": json.dumps({"max_bytes": 1 << 30})},
    }
    await call(connection, "STREAM.UPDATE.SLIPWAY_LOGS", of_before, within=5)

    await provision(connection)

    assert await stream_config(connection, "SLIPWAY_LOGS") == now


async def test_subjects_that_an_operator_added_stay(connection: Connection) -> None:
    lines = await stream_config(connection, "SLIPWAY_LOGS")
    widened = lines | {"subjects": [*lines["subjects"], "extra.>"]}
    await call(connection, "STREAM.UPDATE.SLIPWAY_LOGS", widened, within=5)

    await provision(connection)

    assert set((await stream_config(connection, "SLIPWAY_LOGS"))["subjects"]) == set(widened["subjects"])


async def test_stream_of_a_release_that_wrote_down_no_limits_keeps_them(connection: Connection) -> None:
    config = await stream_config(connection, "SLIPWAY_LOGS")
    metadata = {name: text for name, text in config["metadata"].items() if name != "slipway.provisioned"}
    older = config | {"max_bytes": 1 << 30, "metadata": metadata}
    await call(connection, "STREAM.UPDATE.SLIPWAY_LOGS", older, within=5)

    await provision(connection)
    await provision(connection)

    assert (await stream_config(connection, "SLIPWAY_LOGS"))["max_bytes"] == 1 << 30


async def test_switched_off_batches_are_switched_on(connection: Connection) -> None:
    config = await stream_config(connection, "SLIPWAY")
    await call(connection, "STREAM.UPDATE.SLIPWAY", config | {"allow_atomic": False}, within=5)

    await provision(connection)

    assert (await stream_config(connection, "SLIPWAY"))["allow_atomic"] is True


async def test_changed_consumer_gets_its_filters_back(connection: Connection) -> None:
    info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    changed = {"stream_name": "SLIPWAY", "config": info["config"] | {"filter_subjects": ["slipway.x.>"]}}
    await call(connection, "CONSUMER.CREATE.SLIPWAY.deployer", changed, within=5)

    await provision(connection)

    now = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    assert now["config"] == info["config"]


async def test_limit_of_a_consumer_that_an_operator_set_stays(connection: Connection) -> None:
    info = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    changed = info["config"] | {"max_ack_pending": 17, "filter_subjects": ["slipway.x.>"]}
    request = {"stream_name": "SLIPWAY", "config": changed}
    await call(connection, "CONSUMER.CREATE.SLIPWAY.deployer", request, within=5)

    await provision(connection)

    now = await call(connection, "CONSUMER.INFO.SLIPWAY.deployer", within=5)
    assert now["config"] == info["config"] | {"max_ack_pending": 17}


async def test_stream_that_cannot_be_changed_into_the_wanted_one_is_named_and_left(
    connection: Connection,
) -> None:
    config = await stream_config(connection, "SLIPWAY")
    await call(connection, "STREAM.DELETE.SLIPWAY", within=5)
    await call(connection, "STREAM.CREATE.SLIPWAY", config | {"storage": "memory"}, within=5)

    with pytest.raises(ProvisioningError, match="stream SLIPWAY has storage='memory', wanted is 'file'"):
        await provision(connection)

    assert (await stream_config(connection, "SLIPWAY"))["storage"] == "memory"


async def test_command_waits_for_a_server_that_comes_later(fresh_nats: NatsServer) -> None:
    fresh_nats.stop()
    came = asyncio.Event()

    def send_away(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        writer.close()

    async with await asyncio.start_server(send_away, "127.0.0.1", fresh_nats.port):
        command = asyncio.create_task(run_command(fresh_nats.url))
        await asyncio.wait_for(came.wait(), timeout=30)

    fresh_nats.start()

    code, _ = await command
    assert code == 0


async def test_command_waits_for_a_server_that_goes_away_meanwhile(
    fresh_nats: NatsServer,
) -> None:
    away = AwayOnce(fresh_nats.port)
    async with await asyncio.start_server(away.pass_on, "127.0.0.1", 0) as relay:
        code, errors = await run_command(f"nats://127.0.0.1:{relay.sockets[0].getsockname()[1]}")

    assert code == 0
    assert away.asked > CALLS_BEFORE_IT_GOES
    assert "waiting for NATS" in errors


async def test_command_gives_up_in_time_and_says_what_it_waited_for(fresh_nats: NatsServer) -> None:
    fresh_nats.stop()

    code, errors = await run_command(fresh_nats.url, SLIPWAY_PROVISION_WAIT="PT0.5S")

    assert code == 1
    assert f"waiting for NATS at {fresh_nats.url}; is it running?" in errors
