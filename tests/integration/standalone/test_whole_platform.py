"""The platform with all its services: ready, reachable with the admin key, and hard to kill."""

import asyncio
import json
import os
import signal
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from eventually import eventually
from integration.standalone.driver import SERVERS, MakePlatform, Platform, end, processes_in
from slipway_contracts.topology import RIGHTS

MANIFEST = """
endpoints:
  - name: greet
    server-command: python app.py
"""
GREETER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Greeter).serve_forever()
"""
SERVICES = [rights.service for rights in RIGHTS]


@pytest.fixture(scope="module")
def whole(make_platform: MakePlatform) -> Iterator[Platform]:
    platform = make_platform()
    up(platform)
    yield platform
    end(platform)


@pytest.fixture
def greeter(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(GREETER)
    (tmp_path / "slipway.yaml").write_text(MANIFEST)
    return tmp_path


def test_status_succeeds_when_every_process_is_ready(whole: Platform) -> None:
    ran = whole.run(whole.command("status", "--json"))

    status = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stdout
    assert status["ready"]
    assert {each["name"] for each in status["processes"]} == {
        "supervisord",
        *SERVERS,
        *SERVICES,
    }
    assert all(each["memory_mb"] > 1 for each in status["processes"])


async def test_the_admin_key_opens_the_api_and_the_default_group_is_there(whole: Platform) -> None:
    connection = json.loads((whole.state / "connection.json").read_text())
    key = (whole.state / "admin.key").read_text().strip()
    async with aiohttp.ClientSession(connection["url"]) as client:
        async with client.get("/v1/groups") as refused:
            assert refused.status == 401
        async with client.get("/v1/groups", headers={"Authorization": f"Bearer {key}"}) as answer:
            text = await answer.text()
            assert answer.status == 200, text

    assert '"default"' in text


async def test_the_gateway_answers_requests_of_unknown_deployments(whole: Platform) -> None:
    connection = json.loads((whole.state / "connection.json").read_text())
    url = connection["gateway_url"] + "/nobody/nothing/"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("service", SERVICES)
async def test_a_killed_service_is_back_and_ready(whole: Platform, service: str) -> None:
    killed = whole.pid(service)

    os.kill(killed, signal.SIGKILL)

    await eventually(lambda: whole.pid(service) != killed)
    await eventually(lambda: is_ready(whole, service), 60, every=0.5)


async def test_services_and_models_come_back_after_a_down_and_after_a_killed_supervisor(
    whole: Platform, greeter: Path
) -> None:
    url = json.loads((whole.state / "connection.json").read_text())["gateway_url"] + "/default/hello/greet"
    deployed = whole.run(
        [
            sysconfig.get_path("scripts") + "/slipway",
            "deploy",
            str(greeter),
            "--name",
            "hello",
            "--state",
            str(whole.state),
        ]
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    whole.down()
    assert not processes_in(whole.state)
    up(whole)
    await eventually(lambda: answer_of(url), 20)

    os.kill(whole.pid("supervisord"), signal.SIGKILL)
    await eventually(lambda: not processes_in(whole.state), 30)
    up(whole)
    assert whole.status()["ready"]
    assert await eventually(lambda: answer_of(url), 20) == "hello"


def test_projections_are_what_the_log_says_and_can_be_rebuilt(whole: Platform) -> None:
    for command in ("verify", "rebuild", "verify"):
        ran = whole.run(whole.command("projections", command))
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_log_is_shown_kept_and_truncated_as_far_as_it_may_be(whole: Platform) -> None:
    taken = whole.run(whole.command("log", "snapshot"))
    truncated = whole.run(whole.command("log", "truncate", "--before", "1h", "--yes"))
    shown = whole.run(whole.command("log", "show", "--json"))

    log = json.loads(shown.stdout)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert truncated.returncode == 0, truncated.stdout + truncated.stderr
    assert "nothing to remove before 1" in truncated.stdout, "all of it is younger than a day"
    assert log["snapshot"]["digest"] in taken.stdout
    assert (log["whole_from"], log["first"]) == (1, 1)


async def test_projections_of_a_platform_that_is_stopped_at_last_say_how_to_start_it(whole: Platform) -> None:
    await asyncio.to_thread(whole.down)

    ran = whole.run(whole.command("projections", "verify"))

    assert ran.returncode == 1
    assert "slipway up" in ran.stderr


def test_the_whole_platform_runs_as_a_plain_user(
    make_platform: MakePlatform, request: pytest.FixtureRequest
) -> None:
    platform = make_platform(request.getfixturevalue("plain_user_installation"))

    up(platform)

    assert platform.status()["ready"]
    platform.down()
    assert not processes_in(platform.state)


def up(platform: Platform) -> None:
    ran = platform.run(platform.up_command("--detach", "--json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def answer_of(url: str) -> str:
    """The body of a good answer; empty otherwise."""
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.text() if answer.status == 200 else ""


def is_ready(platform: Platform, service: str) -> bool:
    return any(each["name"] == service and each["ready"] for each in platform.status()["processes"])
