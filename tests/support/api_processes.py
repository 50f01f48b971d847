"""Several api processes on one log and one database, as an installation runs them."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from api_world import Platform, ProjectorTask
from eventually import eventually
from servers import clean_environment, die_with_parent, free_port
from slipway_api.bootstrap import bootstrap
from slipway_api.identity.access import api_key_digest, new_key
from slipway_chassis.event_log import EventLog


@dataclass(kw_only=True)
class ApiProcesses:
    """The admin's clients of the processes, and the rest of the platform; no projector runs yet."""

    clients: list[httpx.AsyncClient]
    platform: Platform
    projector: ProjectorTask
    processes: list[subprocess.Popen[bytes]]


@asynccontextmanager
async def api_processes(
    count: int, *, log: EventLog, nats_url: str, database_url: str, folder: Path, **settings: str
) -> AsyncIterator[ApiProcesses]:
    """Run this many api processes."""
    key = new_key()
    await bootstrap(log, api_key_digest(key))
    platform = Platform(log=log)
    await platform.announce()
    projector = ProjectorTask(log=log, database_url=database_url)
    common = {
        "nats_url": nats_url,
        "database_url": database_url,
        "blob_root": str(folder / "blobs"),
        **settings,
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(projector.stop)
        processes, clients = [], []
        for _ in range(count):
            port = free_port()
            processes.append(_spawn({**common, "port": str(port)}))
            stack.callback(_end, processes[-1])
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60
            )
            clients.append(await stack.enter_async_context(client))
        for client in clients:
            await eventually(partial(_answers, client), timeout=60)
        yield ApiProcesses(clients=clients, platform=platform, projector=projector, processes=processes)


def _spawn(settings: dict[str, str]) -> subprocess.Popen[bytes]:
    named = {f"SLIPWAY_{name.upper()}": value for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "slipway_api.main"],
        env=dict(clean_environment(**named)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/v1/targets/local")).status_code == 200
    except httpx.TransportError:
        return False
