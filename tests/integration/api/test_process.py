"""The api as a process: starts from its environment, and ends cleanly while clients are connected."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from event_subscriber import subscribed
from eventually import eventually
from servers import NatsServer, clean_environment, die_with_parent, free_port
from slipway_api.identity.access import api_key_digest, new_key
from slipway_chassis.event_log import EventLog


@dataclass(kw_only=True)
class Spawned:
    """A process of ours; its standard error goes to a file."""

    process: subprocess.Popen[bytes]
    errors_file: Path

    @property
    def errors(self) -> str:
        return self.errors_file.read_text()

    async def end(self, within: float = 20) -> int:
        return await asyncio.to_thread(self.process.wait, within)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Spawned]]:
    spawned: list[Spawned] = []

    def start(module: str, **settings: str) -> Spawned:
        named = {f"SLIPWAY_{name.upper()}": value for name, value in settings.items()}
        errors_file = tmp_path / f"errors-{len(spawned)}"
        with errors_file.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=dict(clean_environment(**named)),
                stderr=errors,
                preexec_fn=die_with_parent(),  # noqa: PLW1509
            )
        spawned.append(Spawned(process=process, errors_file=errors_file))
        return spawned[-1]

    yield start
    for each in spawned:
        each.process.kill()
        each.process.wait()


async def test_it_ends_at_once_on_sigterm_though_clients_follow(
    log: EventLog,
    fresh_nats: NatsServer,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
    spawn: Callable[..., Spawned],
) -> None:
    key, port = new_key(), free_port()
    digest = api_key_digest(key)
    assert (
        await spawn("slipway_api.bootstrap", nats_url=fresh_nats.url, bootstrap_key_digest=digest).end() == 0
    )
    end = await log.end()
    assert (
        await spawn("slipway_api.bootstrap", nats_url=fresh_nats.url, bootstrap_key_digest=digest).end() == 0
    )
    api = spawn(
        "slipway_api.main",
        nats_url=fresh_nats.url,
        database_url=await make_database(),
        port=str(port),
        blob_root=str(tmp_path / "blobs"),
    )
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as http:

        async def answers() -> bool:
            try:
                return bool((await http.get("/v1/me")).json().get("user") == "admin")
            except httpx.TransportError:
                return False

        await eventually(answers, timeout=20)
        async with subscribed(http) as first, subscribed(http) as second:
            began = time.monotonic()
            api.process.send_signal(signal.SIGTERM)
            code = await api.end()
            took = time.monotonic() - began
            await eventually(lambda: first.ended and second.ended)

    assert code == 0, api.errors
    assert took < 10
    assert "Traceback" not in api.errors
    assert await log.end() == end == 2


async def test_a_setting_that_does_not_exist_fails_the_start_with_its_name(
    spawn: Callable[..., Spawned],
) -> None:
    api = spawn("slipway_api.main", database_url="postgresql://x", gatway_url="http://x")

    code = await api.end()

    assert code == 2
    assert "SLIPWAY_GATWAY_URL" in api.errors
    assert "SLIPWAY_GATEWAY_URL" in api.errors


async def test_an_occupied_port_fails_the_start(
    log: EventLog, fresh_nats: NatsServer, tmp_path: Path, spawn: Callable[..., Spawned]
) -> None:
    api = spawn(
        "slipway_api.main",
        nats_url=fresh_nats.url,
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        port=str(fresh_nats.port),
        blob_root=str(tmp_path),
    )

    code = await api.end()

    assert code == 1
    assert str(fresh_nats.port) in api.errors
    assert "SLIPWAY_PORT" in api.errors
    assert "Traceback" not in api.errors
    assert await log.end() == 0
