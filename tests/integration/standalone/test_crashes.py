"""What is killed comes back, what a killed supervisor leaves behind is ended, and nothing runs twice."""

import asyncio
import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from eventually import eventually
from integration.standalone.driver import (
    IS_ROOT,
    ONLY_SERVERS,
    PLAIN_USER,
    SERVERS,
    Platform,
    count_in,
    processes_in,
)
from slipway_standalone import guard

STUBBORN = """
import signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(100)
"""
ONE_OF_EACH = Counter(("supervisord", *SERVERS))


@pytest.mark.parametrize("server", SERVERS)
async def test_a_killed_server_is_started_again_at_once(running: Platform, server: str) -> None:
    await eventually(lambda: running.server_states()[server]["state"] == "running", 20)
    killed = running.pid(server)

    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: running.pid(server) != killed and running.is_listening(server), 20)

    assert seconds_from_end_to_spawn(running, server) < 3
    await eventually(lambda: count_in(running.state) == ONE_OF_EACH)
    await eventually(running.are_servers_ready)


async def test_a_killed_supervisor_takes_every_server_with_it(platform_of_each: Platform) -> None:
    platform = platform_of_each
    platform.up()

    os.kill(platform.pid("supervisord"), signal.SIGKILL)

    await eventually(lambda: not processes_in(platform.state))


async def test_an_up_after_a_killed_supervisor_leaves_one_of_each(platform_of_each: Platform) -> None:
    platform = platform_of_each
    platform.up()

    os.kill(platform.pid("supervisord"), signal.SIGKILL)
    told = platform.up()

    assert not told["was_running"]
    assert count_in(platform.state) == ONE_OF_EACH
    assert platform.are_servers_ready()


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_former_process_that_ignores_every_polite_signal_is_ended(platform: Platform, command: str) -> None:
    platform.up()
    platform.down()
    with stubborn_process() as stubborn:
        start = guard.start_time(stubborn.pid)
        record = {"pid": stubborn.pid, "start": start}
        (platform.state / "run" / "nats.json").write_text(json.dumps(record))

        told = platform.up() if command == "up" else platform.down()

        assert stubborn.wait(1) == -signal.SIGKILL
        assert told == "Stopped.\n" or count_in(platform.state) == ONE_OF_EACH


def test_an_up_ends_a_supervisor_that_does_not_answer(platform: Platform) -> None:
    platform.up()
    hanging = platform.pid("supervisord")
    (
        Path(json.loads((platform.state / "installation.json").read_text())["runtime"]) / "supervisor.sock"
    ).unlink()

    platform.up()

    assert platform.pid("supervisord") != hanging
    assert count_in(platform.state) == ONE_OF_EACH


def test_a_process_that_has_got_a_recorded_pid_by_chance_is_left_alone(platform: Platform) -> None:
    platform.up()
    record = platform.state / "run" / "nats.json"
    recorded = json.loads(record.read_text())
    platform.down()
    with subprocess.Popen(["sleep", "100"]) as bystander:
        record.write_text(json.dumps(recorded | {"pid": bystander.pid}))

        platform.up()

        assert bystander.poll() is None
        bystander.kill()


def test_an_up_after_everything_was_killed_at_once_brings_it_back_and_says_so(platform: Platform) -> None:
    platform.up()
    while found := processes_in(platform.state):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    said = platform.run(platform.up_command("--detach", *ONLY_SERVERS)).stdout
    states = count_in(platform.state)
    platform.down()
    later = platform.run(platform.up_command("--detach", *ONLY_SERVERS)).stdout

    assert "The last run was cut off" in said
    assert states == ONE_OF_EACH
    assert "cut off" not in later


def test_records_that_an_older_release_left_after_a_down_are_no_cut_off_run(platform: Platform) -> None:
    platform.up()
    left = {path: path.read_text() for path in (platform.state / "run").glob("*.json")}
    platform.down()
    for path, content in left.items():
        path.write_text(content)

    said = platform.run(platform.up_command("--detach", *ONLY_SERVERS)).stdout

    assert len(left) == len(ONE_OF_EACH)
    assert "Slipway is up" in said
    assert "cut off" not in said


def test_a_program_that_is_not_ready_in_time_is_told_with_its_log(platform: Platform) -> None:
    said = platform.failing_up("--patience", "0")

    assert "is not ready after 0 min, although it says that it moves on: " in said
    assert str(platform.state / "logs") in said
    assert "slipway up --patience" in said
    assert not processes_in(platform.state)


def test_a_torn_record_does_not_keep_the_platform_down(platform: Platform) -> None:
    platform.up()
    platform.down()
    (platform.state / "run" / "envoy.json").write_text('{"pid": ')

    platform.up()

    assert platform.are_servers_ready()


def test_postgres_starts_when_its_stale_lock_names_a_living_process(platform_of_each: Platform) -> None:
    platform = platform_of_each
    platform.up()
    lock = platform.state / "postgres" / "data" / "postmaster.pid"
    content = lock.read_text()
    platform.down()
    user = pwd.getpwnam(PLAIN_USER).pw_uid if IS_ROOT else None
    with subprocess.Popen(["sleep", "100"], user=user) as bystander:
        lock.write_text(content.replace(content.partition("\n")[0], str(bystander.pid), 1))

        platform.up()

        assert platform.are_servers_ready()
        bystander.kill()


def test_an_interrupted_initdb_is_done_again(platform: Platform) -> None:
    platform.up()
    platform.down()
    data = platform.state / "postgres" / "data"
    data.rename(data.with_name("data.new"))
    (data.with_name("data.new") / "PG_VERSION").unlink()

    platform.up()

    assert platform.are_servers_ready()
    assert not data.with_name("data.new").exists()


async def test_lost_credentials_are_replaced_and_the_data_stay(platform: Platform) -> None:
    platform.up()
    platform.down()
    (platform.state / "credentials.json").unlink()

    platform.up()

    assert platform.are_servers_ready()
    await asyncio.gather(
        *(platform.can_log_in(role) for role in ("slipway", "slipway_projector", "slipway_api"))
    )


def seconds_from_end_to_spawn(platform: Platform, server: str) -> float:
    """By the supervisor's own clock, so that the load of the machine counts little."""
    lines = (platform.state / "logs" / "supervisord.log").read_text().splitlines()
    ended = [line for line in lines if f"exited: {server} " in line][-1]
    spawned = [line for line in lines if f"spawned: '{server}'" in line][-1]
    start, end = (datetime.fromisoformat(line[:23].replace(",", ".")) for line in (ended, spawned))
    return (end - start).total_seconds()


@contextmanager
def stubborn_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()
