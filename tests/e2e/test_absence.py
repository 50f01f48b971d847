"""Absence never removes anything: an emptied log, or one that is gone, ends no process and no route."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from e2e.running_platform import FIXTURES, RunningPlatform, calling
from eventually import eventually
from pydantic import SecretStr
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call


@pytest.fixture(scope="module")
def lonely() -> Iterator[RunningPlatform]:
    """A platform of this module alone, with one deployment that serves; what cannot be mended comes last."""
    with tempfile.TemporaryDirectory(prefix="slipway-absence-") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            ran = platform.slipway("deploy", str(FIXTURES / "greeter"))
            assert ran.returncode == 0, ran.stdout + ran.stderr
            yield platform
        finally:
            platform.down()


async def as_provisioner(platform: RunningPlatform) -> Connection:
    """Connect as the one user that may purge."""
    credentials = json.loads((platform.state / "credentials.json").read_text())
    ports = json.loads((platform.state / "installation.json").read_text())["ports"]
    return await Connection.open(
        url=f"nats://127.0.0.1:{ports['nats']}",
        user="provisioner",
        password=SecretStr(credentials["nats"]["provisioner"]),
        name="test",
    )


async def ends_with_something_else(platform: RunningPlatform, connection: Connection) -> bool:
    """Tell something that is no desired state: a projector stops at a log that lacks what it took last."""
    source = str(FIXTURES / "greeter" / "slipway.yaml")
    ran = await asyncio.to_thread(platform.slipway, "secret", "set", "last", "--from-file", source)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    end = await EventLog(connection=connection).end()
    told = await call(connection, "STREAM.MSG.GET.SLIPWAY", {"seq": end}, within=5)
    return not told["message"]["subject"].endswith(".desired")


def replica_pid(platform: RunningPlatform) -> int:
    """Return the process of the replica that was ready last."""
    told = platform.slipway("events", "greeter", "--type", "replica", "--json").stdout
    facts = [json.loads(line)["data"] for line in told.splitlines()]
    return int([fact["pid"] for fact in facts if fact["state"] == "ready"][-1])


async def test_a_log_that_is_gone_ends_no_process_and_no_route(lonely: RunningPlatform) -> None:
    url = f"{lonely.gateway_url}/default/greeter/greet"
    pid = replica_pid(lonely)
    config = lonely.state / "nats" / "nats.conf"
    right = config.read_text()

    async with calling(url) as probe:
        config.write_text(right.replace('"listen": "127.0.0.1:', '"listen": "127.0.0.2:'))
        for process in ("nats", "deployer", "monitor", "gateway"):
            lonely.kill9(process)
        await eventually(lambda: not is_ready(lonely), timeout=20)
        answers = probe.answers
        await eventually(lambda: probe.answers > answers + 80)
        config.write_text(right)
        lonely.kill9("nats")
        await lonely.ready()

    os.kill(pid, 0)
    assert probe.failures == []


def is_ready(platform: RunningPlatform) -> bool:
    return platform.slipway("status").returncode == 0


async def test_a_replica_killed_by_hand_comes_back(lonely: RunningPlatform) -> None:
    url = f"{lonely.gateway_url}/default/greeter/greet"
    pid = replica_pid(lonely)

    os.kill(pid, 9)

    async def answered() -> bool:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status == 200

    await eventually(lambda: replica_pid(lonely) != pid)
    await eventually(answered)


async def test_an_emptied_log_of_desired_state_ends_no_process_and_no_route(lonely: RunningPlatform) -> None:
    url = f"{lonely.gateway_url}/default/greeter/greet"
    pid = replica_pid(lonely)
    connection = await as_provisioner(lonely)

    async with calling(url) as probe:
        await eventually(lambda: ends_with_something_else(lonely, connection))
        await call(connection, "STREAM.PURGE.SLIPWAY", {"filter": "slipway.*.*.desired"}, within=5)
        for process in ("deployer", "monitor", "gateway", "envoy"):
            lonely.kill9(process)
        await lonely.ready()
        answers = probe.answers
        await eventually(lambda: probe.answers > answers + 40)
    await connection.close()

    os.kill(pid, 0)
    assert probe.longest_gap < 1.0, probe.failures[:3]
