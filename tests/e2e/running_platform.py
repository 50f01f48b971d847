"""The platform as a user starts it, and what a test needs to look at it or to hurt it."""

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import Accepted, Operation

SLIPWAY: Final = Path(sysconfig.get_path("scripts")) / "slipway"
FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "SUPERSEDED", "CANCELED"})


def own_ports() -> str:
    """Return the ports of this test process: two platforms that start at once would want the same ones."""
    first = 9300 + 300 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return f"{first}-{first + 299}"


@dataclass
class RunningPlatform:
    """One `slipway up`."""

    state: Path
    urls: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def slipway(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user would."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLIPWAY_")}
        return subprocess.run(
            [str(SLIPWAY), *arguments],
            env=kept | self.environment | {"SLIPWAY_STATE": str(self.state)},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def up(self) -> None:
        ran = self.slipway("up", "--detach", "--json", "--ports", own_ports())
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self.urls = json.loads(ran.stdout)

    def down(self) -> None:
        ran = self.slipway("down")
        assert ran.returncode == 0, ran.stdout + ran.stderr

    @property
    def gateway_url(self) -> str:
        return str(json.loads((self.state / "connection.json").read_text())["gateway_url"]).rstrip("/")

    @asynccontextmanager
    async def client(self, *, group: str = "default") -> AsyncIterator[Slipway]:
        connection = json.loads((self.state / "connection.json").read_text())
        key = (self.state / "admin.key").read_text().strip()
        async with Slipway(connection["url"], key, group=group, patience=30) as client:
            yield client

    def pid(self, process: str) -> int:
        return int(json.loads((self.state / "run" / f"{process}.json").read_text())["pid"])

    def kill9(self, process: str) -> None:
        os.kill(self.pid(process), signal.SIGKILL)

    async def ready(self, within: float = 30) -> None:
        """Wait until every process is ready, and ran long enough not to be a failed start should it die."""

        async def all_ready() -> bool:
            ran = await asyncio.to_thread(self.slipway, "status", "--json")
            own = [each for each in json.loads(ran.stdout)["processes"] if each["ready"] is not None]
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert all(each["state"] == "running" for each in own), ran.stdout
            return True

        # Asking costs more processor time than a service that starts, and would take it from those that do.
        await eventually(all_ready, within, every=0.5)


async def ended(client: Slipway, accepted: Accepted, within: float = 60) -> Operation:
    """Return the operation when it has ended, whatever dies meanwhile."""

    async def seen() -> Operation:
        operation = await client.operation(accepted.operation.id, at_least=accepted.sequence)
        assert operation.state in ENDED, operation.state
        return operation

    return await eventually(seen, within, every=0.1)


@dataclass
class Probe:
    """What a caller of an endpoint got."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)
    longest_gap: float = 0.0


@asynccontextmanager
async def calling(url: str, *, per_second: float = 40) -> AsyncIterator[Probe]:
    """Call an endpoint at a steady rate while the body runs."""
    probe = Probe()

    async def call(session: aiohttp.ClientSession) -> None:
        good = time.monotonic()
        while True:
            try:
                async with session.get(url) as response:
                    text = await response.text()
                    if response.status == 200:
                        probe.answers += 1
                        good = time.monotonic()
                    else:
                        probe.failures.append(f"{response.status} {text[:200]}")
            except (aiohttp.ClientError, TimeoutError) as error:
                probe.failures.append(repr(error))
            probe.longest_gap = max(probe.longest_gap, time.monotonic() - good)
            await asyncio.sleep(1 / per_second)

    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        task = asyncio.create_task(call(session))
        try:
            yield probe
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
