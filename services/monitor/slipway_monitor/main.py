"""The monitor's process: one term of watching after another, each under the target's lease."""

import asyncio
from typing import Any, Final

from slipway_chassis.errors import LeaseLostError, TransientError
from slipway_chassis.leases import Lease, Leases
from slipway_chassis.logs import get_logger
from slipway_chassis.process import Service, run_service
from slipway_engines.engine import Engine

from slipway_monitor.replica_logs import ReplicaLogs
from slipway_monitor.settings import MonitorSettings
from slipway_monitor.watch import Watch

_PAUSE_SECONDS: Final = 0.5
_log = get_logger()


async def monitor(service: Service[MonitorSettings]) -> None:
    """Watch the target whenever its lease is to be had, until the process is told to stop."""
    settings = service.settings
    engine = settings.make_engine()
    leases = Leases(connection=service.connection, holder=settings.service_instance)
    watching = asyncio.create_task(_terms(service, engine, leases))
    stopping = asyncio.create_task(service.stopping.wait())
    try:
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(watching, stopping)
    if not watching.cancelled():
        watching.result()


async def _terms(service: Service[MonitorSettings], engine: Engine, leases: Leases) -> None:
    settings = service.settings
    while True:
        async with leases.hold(f"target.{settings.target}", ttl=settings.lease_ttl) as lease:
            await _term(service, engine, lease)
        # What ended the term may last: the lease is free meanwhile, for a monitor that can go on.
        await asyncio.sleep(_PAUSE_SECONDS)


async def _term(service: Service[MonitorSettings], engine: Engine, lease: Lease) -> None:
    """Watch until the lease is lost."""
    settings = service.settings
    logs = ReplicaLogs(connection=service.connection, engine=engine)
    watch = Watch(
        log=service.log,
        engine=engine,
        logs=logs,
        target=settings.target,
        kind=settings.engine,
        epoch=lease.epoch,
        telemetry=service.telemetry,
    )
    watching = asyncio.create_task(watch.run())
    lost = asyncio.create_task(lease.lost.wait())
    try:
        await asyncio.wait({watching, lost}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        try:
            await _end(watching, lost)
        finally:
            await logs.close()
    if watching.cancelled():
        _log.warning("watch.lease_lost", target=settings.target, epoch=lease.epoch)
        return
    try:
        watching.result()
    except (LeaseLostError, TransientError) as error:
        # The next term begins anew, from what the log and the engine say then.
        _log.warning("watch.ended", target=settings.target, error=str(error))


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks and wait for their ends; whoever cancels the caller meanwhile is heard."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def main() -> None:
    """Run the monitor."""
    run_service("monitor", MonitorSettings, monitor)


if __name__ == "__main__":
    main()
