"""1,000 subscribers of the event stream of one api process, against a raw ASGI app that sends the same bytes.

At saturation: the log always holds more than the slowest subscriber has. Then 20 events per second, each with
the time of its publication. Both sides in turns, the median of pairs counts; beside the deliveries also what
one costs its server in CPU, which depends less on what else the machine does.
"""

import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import nats
import uvloop
from api_processes import api_processes
from eventually import eventually
from load import quantile
from nats.aio.client import Client
from servers import NatsServer, PostgresServer, die_with_parent, free_port
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.provision import provision
from slipway_contracts import subjects
from slipway_contracts.codec import encode
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildStepStarted
from slipway_store.migrate import upgrade
from stream_raw import SUBJECT
from stream_readers import DIGITS, STAMP, Readers, stamp

SUBSCRIBERS: Final = 1_000
ROUNDS: Final = 5
SATURATED_SECONDS: Final = 5.0
OUTSTANDING: Final = 256
BATCH: Final = 64
PACE: Final = 20
PACED_SECONDS: Final = 10.0
TICKS_PER_SECOND: Final = 100
_STAMPED: Final = re.compile(STAMP + rb"\d{%d}" % DIGITS)
_BUILD: Final = new_id()

Publish = Callable[[int], Awaitable[None]]


@dataclass
class Side:
    """One of both servers, its subscribers, and what was measured."""

    readers: Readers
    publish: Publish
    pid: int
    sent: int = 0
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    async def saturate(self) -> None:
        """Measure deliveries per second, while more is always there to be delivered."""
        before, began, cpu = self.readers.received()[0], time.perf_counter(), cpu_seconds(self.pid)
        until = began + SATURATED_SECONDS
        while time.perf_counter() < until:
            if self.sent - self.readers.received()[1] <= OUTSTANDING - BATCH:
                self.sent += BATCH
                await self.publish(BATCH)
            else:
                await asyncio.sleep(0.001)
        received, seconds = self.readers.received()[0] - before, time.perf_counter() - began
        self.rates.append(received / seconds)
        self.cpu_us.append(1e6 * (cpu_seconds(self.pid) - cpu) / received)
        await self.settle()

    async def pace(self) -> None:
        """Note how late events come at a fixed pace."""
        self.readers.late()
        began = time.perf_counter()
        for number in range(int(PACE * PACED_SECONDS)):
            await asyncio.sleep(max(0.0, began + number / PACE - time.perf_counter()))
            self.sent += 1
            await self.publish(1)
        await self.settle()
        self.late = self.readers.late()
        assert len(self.late) == SUBSCRIBERS * PACE * PACED_SECONDS, len(self.late)

    async def settle(self) -> None:
        """Wait until everybody has everything."""
        await eventually(lambda: self.readers.received()[1] >= self.sent, timeout=60)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def through_the_log(client: Client) -> Publish:
    """Return how the api is told: by messages of the log, encoded beforehand, which nobody confirms.

    Who publishes shall take the processor from one side no more than from the other.
    """
    message = BuildStepStarted(
        group="default", deployment="digits", build=_BUILD, step=stamp().decode() + 64 * "x"
    )
    envelope = Envelope(
        id=new_id(),
        type=message.type,
        source="/slipway/builder",
        subject="default/digits",
        time=now(),
        traceparent=f"00-{1:032x}-{1:016x}-01",
    )
    subject, body, headers = subjects.of(message), encode(message), envelope.to_headers()
    names = [name for name, value in headers.items() if value == envelope.id]

    async def publish(count: int) -> None:
        for _ in range(count):
            unique = headers | dict.fromkeys(names, new_id())
            await client.publish(subject, _STAMPED.sub(stamp(), body), headers=unique)
        await client.flush()

    return publish


def as_it_is(client: Client, event: bytes) -> Publish:
    """Return how the raw app is told: by the bytes that it shall send."""

    async def publish(count: int) -> None:
        for _ in range(count):
            await client.publish(SUBJECT, _STAMPED.sub(stamp(), event))
        await client.flush()

    return publish


async def one_event(client: httpx.AsyncClient, publish: Publish) -> bytes:
    """Return an event as the api sends it."""
    received = b""
    async with client.stream("GET", "/v1/events", headers={"Accept": "text/event-stream"}) as answer:
        async for chunk in answer.aiter_raw():
            received += chunk
            if b": connected" in received and STAMP not in received:
                await publish(1)
            elif found := re.search(rb"id: \d+\nevent: .*\ndata: .*\n\n", received):
                return found[0]
    raise AssertionError("the stream ended")


@contextmanager
def raw_app(port: int, url: str) -> Iterator[int]:
    """Run the raw app for a while; its process id."""
    command = [sys.executable, str(Path(__file__).with_name("stream_raw.py")), str(port), url]
    running = subprocess.Popen(command, preexec_fn=die_with_parent())  # noqa: PLW1509
    try:
        yield running.pid
    finally:
        running.kill()
        running.wait()


async def listening(port: int) -> None:
    """Wait until connections are taken."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return writer.close()


async def measure(nats_server: NatsServer, postgres: PostgresServer, folder: Path) -> dict[str, float]:
    """Run all turns and return the result."""
    connection = await Connection.open(url=nats_server.url, user=None, password=None, name="bench")
    await provision(connection)
    await upgrade(postgres.url())
    log, client = EventLog(connection=connection), await nats.connect(nats_server.url)
    told, port = through_the_log(client), free_port()
    async with api_processes(
        1, log=log, nats_url=nats_server.url, database_url=postgres.url(), folder=folder
    ) as apis:
        http = apis.clients[0]
        event = await one_event(http, told)
        head = f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: {http.headers['authorization']}\r\n"
        request = f"{head}Accept: text/event-stream\r\n\r\n".encode()
        with ExitStack() as stack:
            raw_pid = stack.enter_context(raw_app(port, nats_server.url))
            await listening(port)
            readers = stack.enter_context(Readers(request, http.base_url.port or 80, SUBSCRIBERS))
            api = Side(readers, told, apis.processes[0].pid)
            readers = stack.enter_context(Readers(request, port, SUBSCRIBERS))
            raw = Side(readers, as_it_is(client, event), raw_pid)
            for number in range(ROUNDS):
                for side in (api, raw) if number % 2 else (raw, api):
                    await side.saturate()
            for side in (api, raw):
                await side.pace()
    await client.close()
    await connection.close()
    return result(api, raw, len(event))


def result(api: Side, raw: Side, size: int) -> dict[str, float]:
    """Return the medians, and the ratio of turns that follow each other."""
    ratios = [one / other for one, other in zip(api.rates, raw.rates, strict=True)]
    cpu = [one / other for one, other in zip(api.cpu_us, raw.cpu_us, strict=True)]
    return {
        "deliveries_per_s": round(statistics.median(api.rates)),
        "ceiling": round(statistics.median(raw.rates)),
        "ratio": round(statistics.median(ratios), 3),
        "cpu_of_ceiling": round(statistics.median(cpu), 3),
        "p99_ms": round(1000 * quantile(api.late, 0.99), 1),
        "ceiling_p99_ms": round(1000 * quantile(raw.late, 0.99), 1),
        "subscribers": SUBSCRIBERS,
        "event_bytes": size,
    }


def main() -> None:
    """Measure, and print one JSON line."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        nats_server, postgres = NatsServer(folder / "nats"), PostgresServer(folder / "postgres")
        (folder / "postgres").mkdir()
        postgres.create()
        nats_server.start()
        postgres.start()
        try:
            figures = uvloop.run(measure(nats_server, postgres, folder))
        finally:
            nats_server.stop()
            postgres.stop()
    sys.stdout.write(json.dumps({"bench": "stream", **figures}) + "\n")


if __name__ == "__main__":
    main()
