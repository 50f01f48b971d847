"""A monitor that cannot reach NATS, as it starts or later, waits and goes on."""

import asyncio
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from eventually import eventually
from memory_engine import MemoryEngine
from servers import NatsServer
from silent_nats import Outage, at_work, outage, outlasts
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.leases import Leases
from slipway_chassis.process import Service
from slipway_contracts.installation_events import TargetAnnounced
from slipway_engines.engine import Capacity
from slipway_engines.errors import EngineUnavailableError
from slipway_monitor.main import _terms, monitor
from slipway_monitor.settings import MonitorSettings

OUTAGES: tuple[Outage, ...] = ("paused", "stopped")


@pytest.fixture
def settings(tmp_path: Path) -> MonitorSettings:
    """Settings of a monitor whose target never answers."""
    return MonitorSettings(
        engine_dir=tmp_path / "engine",
        supervisor_socket=tmp_path / "no-socket",
        installation="test",
        blob_root=tmp_path,
        lease_ttl=timedelta(seconds=1),
    )


class DeafEngine(MemoryEngine):
    """Cannot say what its target has, and keeps when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    async def capacity(self) -> Capacity:
        self.asked.append(time.monotonic())
        raise EngineUnavailableError("the target does not answer")


async def epochs(log: EventLog) -> list[int]:
    """Return the epochs under which the target was announced."""
    told = [each.readable async for each in log.read("slipway._._.evt.target.announced", after=0)]
    return [each.epoch for each in told if isinstance(each, TargetAnnounced)]


@pytest.mark.parametrize("kind", OUTAGES)
async def test_a_monitor_that_starts_in_an_outage_watches_when_it_is_over(
    log: EventLog, connection: Connection, fresh_nats: NatsServer, settings: MonitorSettings, kind: Outage
) -> None:
    with outage(fresh_nats, kind) as end_outage:
        async with at_work(monitor, "monitor", settings, connection) as watching:
            await outlasts(watching)
            end_outage()

            await eventually(lambda: epochs(log), timeout=30)
            assert not watching.done()


@pytest.mark.parametrize("kind", OUTAGES)
async def test_a_monitor_that_loses_its_lease_in_an_outage_takes_it_again(
    log: EventLog, connection: Connection, fresh_nats: NatsServer, settings: MonitorSettings, kind: Outage
) -> None:
    async with at_work(monitor, "monitor", settings, connection) as watching:
        (first,) = await eventually(lambda: epochs(log), timeout=30)

        with outage(fresh_nats, kind):
            await outlasts(watching)

        async def again() -> bool:
            return max(await epochs(log)) > first

        await eventually(again, timeout=30)
        assert not watching.done()


@pytest.mark.usefixtures("log")
async def test_a_target_that_cannot_be_watched_is_tried_again_after_a_pause(
    connection: Connection, settings: MonitorSettings
) -> None:
    engine = DeafEngine()

    async def watch(service: Service[MonitorSettings]) -> None:
        terms = asyncio.create_task(_terms(service, engine, Leases(connection=connection, holder="monitor")))
        await service.stopping.wait()
        terms.cancel()
        await asyncio.gather(terms, return_exceptions=True)

    async with at_work(watch, "monitor", settings, connection):
        await eventually(lambda: len(engine.asked) == 3, timeout=30)

    assert all(later - earlier > 0.4 for earlier, later in pairwise(engine.asked))
