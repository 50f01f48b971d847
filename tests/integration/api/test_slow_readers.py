"""Readers of the event stream that do not read: nothing is kept for them, and others get everything."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from api_processes import ApiProcesses, api_processes
from eventually import eventually
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_contracts.envelope import new_id
from slipway_contracts.events import BuildStepStarted

BUILD = new_id()
STALLED = 20
LARGE = 20_000
AT_ONCE = 50


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has in use, as its kernel counts it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith("VmRSS:"))
    return int(found.split()[1]) << 10


async def tell(apis: ApiProcesses, count: int) -> int:
    """Publish this many large events and return the sequence of the last."""
    message = BuildStepStarted(group="default", deployment="digits", build=BUILD, step="x" * LARGE)
    last = 0
    for _ in range(count // AT_ONCE):
        last = max(await asyncio.gather(*(apis.platform.tell(message) for _ in range(AT_ONCE))))
    return last


async def stall(client: httpx.AsyncClient, stack: AsyncExitStack) -> None:
    """Subscribe from the beginning, read that this was taken, and nothing after."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port, limit=1 << 10)
    stack.callback(writer.close)
    head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
    writer.write(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    await reader.readuntil(b": connected")


class Reader:
    """Reads on, and keeps only the position."""

    position = 0

    async def read(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/v1/events", headers={"Accept": "text/event-stream"}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    self.position = int(line[4:])


async def test_readers_that_stopped_reading_cost_no_memory_and_hold_up_nobody(
    connection: Connection,
    provisioned_nats: NatsServer,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        apis = await stack.enter_async_context(
            api_processes(
                1,
                log=EventLog(connection=connection),
                nats_url=provisioned_nats.url,
                database_url=await make_database(),
                folder=tmp_path,
                feed_bytes=str(1 << 20),
            )
        )
        client, process = apis.clients[0], apis.processes[0]
        reader = Reader()
        reading = asyncio.create_task(reader.read(client))
        stack.callback(reading.cancel)
        await eventually(lambda: reader.position > 0)
        warm = await tell(apis, 500)
        await eventually(lambda: reader.position == warm, timeout=30)
        before = resident_bytes(process.pid)

        for _ in range(STALLED):
            await stall(client, stack)
        end = await tell(apis, 2_000)
        await eventually(lambda: reader.position == end, timeout=60)
        grown = resident_bytes(process.pid) - before

    assert grown < STALLED << 20, f"{STALLED} readers that do not read cost {grown >> 20} MiB"
