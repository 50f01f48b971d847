"""Outages of NATS at a moment that a test chooses, and services that live through them in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Literal, TypeVar

from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.settings import ServiceSettings
from slipway_chassis.telemetry import Telemetry

Outage = Literal["paused", "stopped"]
LONGER_THAN_A_CALL: Final = 7.0
"""Seconds; what the services ask of NATS as they start is given up after five."""
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


@contextmanager
def outage(server: NatsServer, kind: Outage) -> Iterator[Callable[[], None]]:
    """Let nobody reach NATS until the body ends, or calls what it is given."""
    down, up = (server.pause, server.resume) if kind == "paused" else (server.stop, server.start)
    ends = [up]

    def end() -> None:
        while ends:
            ends.pop()()

    down()
    try:
        yield end
    finally:
        end()


@asynccontextmanager
async def at_work(
    main: Callable[[Service[SettingsT]], Awaitable[None]],
    name: str,
    settings: SettingsT,
    connection: Connection,
) -> AsyncIterator[asyncio.Future[None]]:
    """Run a service while the body runs, on this connection; at the end it is told to stop, and has to."""
    metrics = Metrics(service=name)
    service = Service(
        name=name,
        settings=settings,
        connection=connection,
        log=EventLog(connection=connection),
        telemetry=Telemetry(),
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )
    working = asyncio.ensure_future(main(service))
    try:
        yield working
        service.stopping.set()
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def outlasts(working: asyncio.Future[None]) -> None:
    """Fail if the service ends before any call that began now was given up."""
    done, _ = await asyncio.wait({working}, timeout=LONGER_THAN_A_CALL)
    for each in done:
        each.result()
    assert not done, "the service ended by itself"
