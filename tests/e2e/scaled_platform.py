"""A standalone platform with more processes of each service beside its own, each of which can be killed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from e2e.running_platform import RunningPlatform
from eventually import eventually
from gateway_servers import EnvoyServer
from servers import die_with_parent, free_port
from slipway.client import Slipway

_BEGINS: Final = {"monitor": "lease taken", "notifier": "lease taken", "projector": "projects"}
"""What a process logs when it begins the work for which the others of its service stand by."""
SERVICES: Final = ("api", "builder", "deployer", "monitor", "gateway", "notifier", "projector")


@dataclass
class Replica:
    """One more process of a service; like the platform's own it comes back when it was killed."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(repr=False)
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        """Start it whenever it does not run; ends it when cancelled."""
        try:
            while True:
                with self.log.open("ab") as log:
                    self.process = await asyncio.create_subprocess_exec(
                        *self.command,
                        env=self.environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        preexec_fn=die_with_parent(),
                    )
                await self.process.wait()
        finally:
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    def kill9(self) -> None:
        """Kill it as it runs now."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)


@dataclass
class ScaledPlatform:
    """What runs: by service the platform's own process and the others, and where apis and gateways are."""

    platform: RunningPlatform
    folder: Path
    replicas: dict[str, list[Replica]] = field(default_factory=dict)
    api_urls: list[str] = field(default_factory=list)
    gateway_urls: list[str] = field(default_factory=list)

    def kill9(self, service: str, number: int) -> None:
        """Kill one process of a service; 0 is the platform's own."""
        if number == 0:
            self.platform.kill9(service)
        else:
            self.replicas[service][number - 1].kill9()

    def active(self, service: str, *, otherwise: int) -> int:
        """Return which process does what one does at a time; `otherwise` where all of them work."""
        if service not in _BEGINS:
            return otherwise
        logs = [
            self.platform.state / "logs" / f"{service}.log",
            *(each.log for each in self.replicas[service]),
        ]
        began = [max(_times_of(_BEGINS[service], log), default="") for log in logs]
        return began.index(max(began))

    @asynccontextmanager
    async def client(self, number: int) -> AsyncIterator[Slipway]:
        """A client of one of the apis."""
        key = (self.platform.state / "admin.key").read_text().strip()
        async with Slipway(self.api_urls[number], key, patience=30) as client:
            yield client

    def specified(self, service: str, **settings: str) -> Replica:
        """A process as the platform runs it, but for these settings."""
        told = json.loads((self.platform.state / "programs" / f"{service}.json").read_text())
        number = len(self.replicas.setdefault(service, [])) + 1
        name = f"{service}-{number}"
        own = {"PROBE_PORT": "0", "SERVICE_INSTANCE": name} | settings
        variables = {f"SLIPWAY_{key}": value for key, value in own.items()}
        replica = Replica(
            name=name,
            command=["nice", "-n", str(told["niceness"]), *told["command"]],
            environment={"PATH": os.defpath} | told["environment"] | variables,
            log=self.folder / f"{name}.log",
        )
        self.replicas[service].append(replica)
        return replica

    async def are_serving(self, path: str) -> bool:
        """Say whether every gateway answers this path, and every api who has the key."""
        key = (self.platform.state / "admin.key").read_text().strip()
        asked: list[tuple[str, dict[str, str]]] = [(f"{url}{path}", {}) for url in self.gateway_urls]
        asked += [(f"{url}/v1/groups", {"Authorization": f"Bearer {key}"}) for url in self.api_urls]
        async with aiohttp.ClientSession() as session:
            for url, headers in asked:
                try:
                    async with session.get(url, headers=headers) as answer:
                        if answer.status != 200:
                            return False
                except aiohttp.ClientError:
                    return False
        return True


def _times_of(message: str, log: Path) -> list[str]:
    lines = (json.loads(line) for line in log.read_text().splitlines() if f'"{message}"' in line)
    return [str(line["time"]) for line in lines if line["message"] == message]


@asynccontextmanager
async def scaled(platform: RunningPlatform, *, more: int) -> AsyncIterator[ScaledPlatform]:
    """Run so many more processes of each service while the body runs, gateways with an Envoy each."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="slipway-scaled-"))
        stack.callback(shutil.rmtree, folder)
        connection = json.loads((platform.state / "connection.json").read_text())
        made = ScaledPlatform(platform, folder)
        made.api_urls.append(str(connection["url"]).rstrip("/"))
        made.gateway_urls.append(platform.gateway_url)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks: list[asyncio.Task[None]] = []
        for _ in range(more):
            for service in SERVICES:
                settings = await _own_settings(made, stack, service)
                tasks.append(group.create_task(made.specified(service, **settings).keep_running()))
        stack.callback(lambda: [task.cancel() for task in tasks])
        yield made


async def _own_settings(made: ScaledPlatform, stack: AsyncExitStack, service: str) -> dict[str, str]:
    match service:
        case "api":
            port = free_port()
            made.api_urls.append(f"http://127.0.0.1:{port}")
            return {"PORT": str(port)}
        case "builder":
            return {"WORK_DIR": tempfile.mkdtemp(dir=made.folder)}
        case "gateway":
            envoy = EnvoyServer()
            stack.callback(envoy.remove)
            envoy.start()
            await envoy.until_up()
            made.gateway_urls.append(envoy.url)
            name = f"more-{len(made.gateway_urls)}"
            return {
                "ENVOY_DIR": str(envoy.folder / "state"),
                "ENVOY_ADMIN": envoy.admin,
                "GATEWAY_ID": name,
            }
        case _:
            return {}


async def until_serving(made: ScaledPlatform, path: str) -> None:
    """Wait until every gateway and api does its work."""
    await eventually(lambda: made.are_serving(path), timeout=60)
