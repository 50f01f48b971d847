"""`up`, `down`, `status`: once, twice, at once, as root and as a plain user."""

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import asyncpg
import nats
import pytest
from eventually import eventually
from integration.standalone.driver import (
    IS_ROOT,
    ONLY_SERVERS,
    SERVERS,
    Platform,
    count_in,
    processes_in,
)
from slipway_standalone.choices import PRIVATE_RECEIVERS
from slipway_standalone.plan import SESSION_NICENESS
from slipway_standalone.runtime import RuntimeFolder

ONE_OF_EACH = Counter(("supervisord", *SERVERS))


def test_a_first_up_leaves_everything_ready_and_a_down_nothing_running(platform_of_each: Platform) -> None:
    platform = platform_of_each

    told = platform.up()

    assert count_in(platform.state) == ONE_OF_EACH
    assert platform.are_servers_ready()
    assert not told["was_running"]
    assert platform.down() == "Stopped.\n"
    assert not processes_in(platform.state)


def test_folders_above_the_state_keep_their_modes(platform_of_each: Platform) -> None:
    home = platform_of_each.state.parent
    before = stat.S_IMODE(home.stat().st_mode)

    platform_of_each.up()

    assert before == stat.S_IMODE(home.stat().st_mode) == 0o700


def test_clients_find_urls_and_key_where_only_the_owner_can(running: Platform) -> None:
    connection = running.state / "connection.json"

    found = json.loads(connection.read_text())

    assert found == {
        "url": f"http://127.0.0.1:{running.port('api')}",
        "gateway_url": f"http://127.0.0.1:{running.port('gateway')}",
        "key_file": str(running.state / "admin.key"),
    }
    assert stat.S_IMODE(running.state.stat().st_mode) == 0o700


def test_no_file_of_the_state_folder_can_be_read_by_others(running: Platform) -> None:
    own = [path for path in running.state.rglob("*") if running.state / "postgres" not in path.parents]

    readable = [str(path) for path in own if path.stat().st_mode & 0o077]

    assert readable == []


def test_a_second_up_changes_nothing_and_says_where_it_runs(running: Platform) -> None:
    pids = running.pids()

    ran = running.run(running.up_command(*ONLY_SERVERS))

    assert ran.returncode == 0
    assert "running already" in ran.stdout
    assert f"http://127.0.0.1:{running.port('api')}" in ran.stdout
    assert running.pids() == pids


def test_a_second_up_that_wants_another_port_is_refused(running: Platform) -> None:
    other = next(port for port in running.ports if port != running.port("api"))

    said = running.failing_up("--port", str(other))

    assert f"running already, with port {running.port('api')} for api" in said


def test_a_second_up_that_wants_another_host_is_refused(running: Platform) -> None:
    said = running.failing_up("--host", "127.0.0.2")
    same = running.up("--host", "127.0.0.1")

    assert "running already, on 127.0.0.1." in said
    assert "`slipway down`, then `slipway up --host 127.0.0.2`" in said
    assert same["url"] == f"http://127.0.0.1:{running.port('api')}"


def test_a_down_leaves_nothing_in_the_folders_for_sockets_and_secrets(platform: Platform) -> None:
    platform.up()
    runtime = RuntimeFolder(Path(json.loads((platform.state / "installation.json").read_text())["runtime"]))
    assert list(runtime.path.iterdir())
    (runtime.memory / "left").touch()

    platform.down()

    assert not runtime.path.exists()
    assert not runtime.memory.exists()


async def test_two_ups_at_once_start_one_platform(platform: Platform) -> None:
    starts = [platform.start(platform.up_command("--detach", "--json", *ONLY_SERVERS)) for _ in range(2)]

    ended = [await asyncio.to_thread(start.communicate) for start in starts]

    told = [json.loads(output) for output, _ in ended]
    assert sorted(each["was_running"] for each in told) == [False, True]
    assert count_in(platform.state) == ONE_OF_EACH


async def test_data_and_ports_outlive_a_down(platform: Platform) -> None:
    platform.up()
    ports = {name: platform.port(name) for name in (*SERVERS[:2], "api", "gateway")}
    await publish(platform, "slipway.g.d.cmd.deployer.deploy", b"kept")
    await execute(platform, "create table kept as select 42 as answer")

    platform.down()
    platform.up()

    assert {name: platform.port(name) for name in ports} == ports
    assert await last(platform, "slipway.g.d.cmd.deployer.deploy") == b"kept"
    assert await query(platform, "select answer from kept") == 42


def test_what_webhooks_may_reach_is_kept_until_an_up_says_otherwise(platform: Platform) -> None:
    said = replace(platform, environment={PRIVATE_RECEIVERS: "true"})
    unsaid = replace(platform, environment={PRIVATE_RECEIVERS: "false"})

    def given() -> str:
        specification = json.loads((platform.state / "programs" / "notifier.json").read_text())
        return str(specification["environment"][PRIVATE_RECEIVERS])

    first = said.up()
    platform.down()
    shown = platform.run(platform.up_command("--detach", *ONLY_SERVERS)).stdout
    kept = given()
    refused = unsaid.failing_up()
    platform.down()
    last = unsaid.up()

    assert (first["webhook_private_addresses"], last["webhook_private_addresses"]) == (True, False)
    assert (kept, given()) == ("true", "false")
    assert f"{PRIVATE_RECEIVERS}=false forbids it" in shown
    assert f"running already, with {PRIVATE_RECEIVERS}=true" in refused


def test_a_folder_of_a_former_release_gets_its_keys_at_the_next_up(platform: Platform) -> None:
    platform.up()
    made = {path.name for path in (platform.state / "keys").iterdir()}
    platform.down()
    shutil.rmtree(platform.state / "keys")

    platform.up()

    assert {path.name for path in (platform.state / "keys").iterdir()} == made
    assert "secret-keys.json" in made


def test_down_where_nothing_runs_says_so(platform: Platform) -> None:
    platform.up()
    platform.down()

    assert platform.down() == "Nothing runs.\n"


def test_status_shows_every_process_and_fails_unless_all_are_ready(running: Platform) -> None:
    ran = running.run(running.command("status"))

    lines = {line.split()[0]: line for line in ran.stdout.splitlines() if line}
    for server in SERVERS:
        assert str(running.pid(server)) in lines[server]
        assert lines[server].endswith("yes")
        assert " MB" in lines[server]
    assert "does not run" in lines["projector"]
    assert ran.returncode == 1


def test_status_of_a_stopped_platform_fails_and_says_how_to_start(platform: Platform) -> None:
    platform.up()
    platform.down()

    ran = platform.run(platform.command("status"))

    assert ran.returncode == 1
    assert "Not running" in ran.stdout
    assert "slipway up" in ran.stdout


def test_commands_on_a_folder_that_is_none_say_so(platform: Platform) -> None:
    for name in ("status", "down"):
        ran = platform.run(platform.command(name))

        assert ran.returncode == 1
        assert f"{platform.state} is not a state folder" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
async def test_an_attached_up_stops_all_when_its_session_ends(
    platform: Platform, number: signal.Signals
) -> None:
    foreground = await attached(platform)

    foreground.send_signal(number)
    output, _ = await asyncio.to_thread(foreground.communicate)

    assert foreground.returncode == 0
    assert "Stopped." in output
    assert not processes_in(platform.state)


async def test_an_interrupted_start_leaves_nothing_running(platform: Platform) -> None:
    foreground = platform.start(platform.up_command(*ONLY_SERVERS))
    await eventually((platform.state / "run" / "supervisord.json").exists, 30)

    foreground.send_signal(signal.SIGINT)
    await asyncio.to_thread(foreground.communicate)

    assert not processes_in(platform.state)
    platform.up()
    assert platform.are_servers_ready()


async def test_a_down_elsewhere_ends_an_attached_up(platform: Platform) -> None:
    foreground = await attached(platform)

    platform.down()
    output, _ = await asyncio.to_thread(foreground.communicate)

    assert "Stopped by another command." in output
    assert foreground.returncode == 0


async def test_a_killed_attached_up_takes_everything_with_it(platform: Platform) -> None:
    foreground = await attached(platform)

    foreground.kill()
    await asyncio.to_thread(foreground.communicate)

    await eventually(lambda: not processes_in(platform.state), 20)


def test_no_process_inherits_secrets_of_the_caller(platform: Platform) -> None:
    platform.environment["CANARY"] = "sing-no-more"

    platform.up()

    found = [
        pid
        for pid in processes_in(platform.state)
        if b"sing-no-more" in Path(f"/proc/{pid}/environ").read_bytes()
    ]
    assert processes_in(platform.state)
    assert found == []


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_as_root_only_postgres_gives_up_its_rights(running: Platform) -> None:
    owners = {server: Path(f"/proc/{running.pid(server)}").stat().st_uid for server in SERVERS}

    assert owners["nats"] == owners["envoy"] == 0
    assert owners["postgres"] != 0


def test_what_answers_requests_goes_before_what_manages(running: Platform) -> None:
    niceness = {server: os.getpriority(os.PRIO_PROCESS, running.pid(server)) for server in SERVERS}

    assert niceness["envoy"] == os.getpriority(os.PRIO_PROCESS, running.pid("supervisord"))
    assert niceness["envoy"] < niceness["nats"] < niceness["postgres"]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux without autogroups")
def test_it_does_so_where_linux_shares_the_processor_by_sessions(running: Platform) -> None:
    sessions = {name: os.getsid(running.pid(name)) for name in ("supervisord", *SERVERS)}
    niceness = {
        name: Path(f"/proc/{running.pid(name)}/autogroup").read_text().split()[-1] for name in sessions
    }

    assert sessions["nats"] == sessions["postgres"] == sessions["supervisord"] != sessions["envoy"]
    assert (niceness["envoy"], niceness["supervisord"]) == ("0", str(SESSION_NICENESS))


async def attached(platform: Platform) -> subprocess.Popen[str]:
    """An `up` in the foreground, when all is ready."""
    foreground = platform.start(platform.up_command(*ONLY_SERVERS))
    assert foreground.stdout is not None
    while "Ctrl-C" not in (line := await asyncio.to_thread(foreground.stdout.readline)):
        assert line, "ended before it was ready"
    return foreground


async def publish(platform: Platform, subject: str, data: bytes) -> None:
    connection = await nats.connect(platform.nats_url("provisioner"))
    await connection.jetstream().publish(subject, data)
    await connection.close()


async def last(platform: Platform, subject: str) -> bytes | None:
    connection = await nats.connect(platform.nats_url("provisioner"))
    message = await connection.jetstream().get_last_msg("SLIPWAY", subject)
    await connection.close()
    return message.data


async def execute(platform: Platform, statement: str, *, role: str = "slipway_projector") -> None:
    connection = await asyncpg.connect(platform.database_url(role))
    await connection.execute(statement)
    await connection.close()


async def query(platform: Platform, statement: str, *, role: str = "slipway_projector") -> object:
    connection = await asyncpg.connect(platform.database_url(role))
    result: object = await connection.fetchval(statement)
    await connection.close()
    return result
