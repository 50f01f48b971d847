"""Provisioning: repeatable, widening, never destroying, clear when it cannot."""

import asyncio
import sys
from typing import Any

import pytest
from log_messages import make_outgoing
from servers import NatsServer, clean_environment
from slipway_chassis.connection import Connection
from slipway_chassis.errors import ProvisioningError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_contracts.topology import BUCKETS, CONSUMERS, STREAMS


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

    await provision(connection)

    assert [await stream_config(connection, spec.name) for spec in STREAMS] == before
    assert await log.end() == 1


async def test_what_an_operator_widened_stays_and_what_was_narrowed_is_widened(
    connection: Connection,
) -> None:
    lines = await stream_config(connection, "SLIPWAY_LOGS")
    widened = lines | {"max_bytes": 9 << 30, "subjects": [*lines["subjects"], "extra.>"]}
    await call(connection, "STREAM.UPDATE.SLIPWAY_LOGS", widened | {"max_age": 3600 * 10**9}, within=5)

    await provision(connection)

    now = await stream_config(connection, "SLIPWAY_LOGS")
    assert now["max_bytes"] == 9 << 30
    assert set(now["subjects"]) == set(widened["subjects"])
    assert now["max_age"] == lines["max_age"]


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


async def test_command_gives_up_in_time_and_says_what_it_waited_for(fresh_nats: NatsServer) -> None:
    fresh_nats.stop()

    code, errors = await run_command(fresh_nats.url, SLIPWAY_PROVISION_WAIT="PT0.5S")

    assert code == 1
    assert f"waiting for NATS at {fresh_nats.url}; is it running?" in errors
