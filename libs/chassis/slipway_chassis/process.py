"""The frame of every service process: settings, logs, traces, probes, the connection to the log, a clean end.

What the service does is the `main` that it passes in; nothing here knows a message.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import uvloop
from slipway_contracts.topology import BUCKETS, STREAMS

from slipway_chassis.connection import Connection
from slipway_chassis.errors import SlipwayError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import NotFoundError, call
from slipway_chassis.logs import configure_logging, get_logger
from slipway_chassis.metrics import Metrics
from slipway_chassis.nats_client import Client
from slipway_chassis.probes import Probes
from slipway_chassis.settings import ServiceSettings, SettingsError
from slipway_chassis.telemetry import Telemetry, configure_telemetry

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
_UNUSABLE_SETTINGS: Final = 2
_PROVISION_POLL_SECONDS: Final = 0.2
_CANCEL_SECONDS: Final = 5.0
_NAMES_SECONDS: Final = 5.0
_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class Service(Generic[SettingsT]):
    """What a service's `main` is given.

    `stopping` is set on SIGTERM and SIGINT; `main` then returns within `settings.stop_timeout`, or is
    cancelled.
    """

    name: str
    settings: SettingsT
    connection: Connection
    log: EventLog
    telemetry: Telemetry
    metrics: Metrics
    probes: Probes
    stopping: asyncio.Event

    @property
    def nc(self) -> Client:
        """The NATS client."""
        return self.connection.nc


Main = Callable[[Service[SettingsT]], Awaitable[None]]


def run_service(name: str, settings_class: type[SettingsT], main: Main[SettingsT]) -> None:
    """Run a service until it ends or is told to; the process ends with code 0 after a clean end.

    `main` begins when the log can be reached and is provisioned; until then `/readyz` says what is missing.

    Raises:
        SystemExit: 2 for unusable settings, 1 when `main` failed or NATS closed the connection for good.
    """
    try:
        settings = settings_class.load()
    except SettingsError as error:
        sys.stderr.write(f"slipway-{name}: {error}\n")
        sys.exit(_UNUSABLE_SETTINGS)
    configure_logging(service=name, instance=settings.service_instance, level=settings.log_level)
    telemetry = configure_telemetry(
        service=name, instance=settings.service_instance, traces_file=settings.traces_file
    )
    try:
        clean = uvloop.run(_run(name, settings, main, telemetry))
    finally:
        telemetry.close()
    if not clean:
        sys.exit(1)


async def _run(name: str, settings: SettingsT, main: Main[SettingsT], telemetry: Telemetry) -> bool:
    service = compose_service(name, settings, telemetry)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stopping.set)
    begun = asyncio.Event()
    service.probes.add("log", lambda: _log_problem(service) if begun.is_set() else _problem_at_start(service))
    try:
        port = await service.probes.start(host=settings.probe_host, port=settings.probe_port)
    except OSError as error:
        _log.error("the probes cannot listen; set SLIPWAY_PROBE_HOST, SLIPWAY_PROBE_PORT", problem=str(error))
        return False
    _log.info("probes listen", host=settings.probe_host, port=port)
    lag = asyncio.create_task(service.metrics.watch_event_loop())
    try:
        return await _run_main(service, main, begun)
    finally:
        lag.cancel()
        service.probes.close()
        await service.connection.close()
        _log.info("stopped")


def compose_service(name: str, settings: SettingsT, telemetry: Telemetry) -> Service[SettingsT]:
    """Return a service whose connection is not open yet; `run_service` does this and the rest."""
    connection = Connection(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name=f"slipway-{name} {settings.service_instance}",
    )
    metrics = Metrics(service=name)
    return Service(
        name=name,
        settings=settings,
        connection=connection,
        log=EventLog(connection=connection, telemetry=telemetry),
        telemetry=telemetry,
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )


async def _run_main(service: Service[SettingsT], main: Main[SettingsT], begun: asyncio.Event) -> bool:
    """Return whether the end was clean."""
    stop = asyncio.create_task(_stop_asked(service))
    waiting = asyncio.create_task(_await_log(service))
    await asyncio.wait({waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        return await stop
    if not _succeeded(waiting):
        return False
    begun.set()
    working = asyncio.ensure_future(main(service))
    await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
    _log.info("stopping")
    service.stopping.set()
    _, late = await asyncio.wait({working}, timeout=service.settings.stop_timeout.total_seconds())
    if late:
        _log.warning("work in hand did not end in time and is cancelled")
        working.cancel()
        await asyncio.wait(late, timeout=_CANCEL_SECONDS)
    return _succeeded(working) and await stop


def _succeeded(task: asyncio.Future[None]) -> bool:
    if not task.done():
        _log.error("cancelled work does not end; the process leaves it")
        return False
    if task.cancelled() or (error := task.exception()) is None:
        return True
    _log.error("failed", problem=str(error), exc_info=None if isinstance(error, SettingsError) else error)
    return False


async def _stop_asked(service: Service[SettingsT]) -> bool:
    """Return when the process has to end: True if it was asked to, False if NATS closed the connection."""
    asked = asyncio.create_task(service.stopping.wait())
    closed = asyncio.create_task(service.connection.closed.wait())
    await asyncio.wait({asked, closed}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    closed.cancel()
    if not service.stopping.is_set():
        _log.error("NATS closed the connection for good", problem=service.connection.problem)
    return service.stopping.is_set()


async def _await_log(service: Service[SettingsT]) -> None:
    await service.connection.connect()
    said: str | None = None
    while (problem := await _problem_at_start(service)) is not None:
        if problem != said:
            _log.warning(problem)
            said = problem
        await asyncio.sleep(_PROVISION_POLL_SECONDS)


async def _problem_at_start(service: Service[SettingsT]) -> str | None:
    return await _log_problem(service) or await _missing(service)


async def _missing(service: Service[SettingsT]) -> str | None:
    """Say which streams and buckets are not provisioned: a new release may bring another one.

    Where the server does not tell, or has too many to tell at once, whoever needs one waits for it.
    """
    try:
        answer = await call(service.connection, "STREAM.NAMES", within=_NAMES_SECONDS)
    except SlipwayError:
        return None
    there = set(answer.get("streams") or ())
    wanted = {stream.name for stream in STREAMS} | {f"KV_{bucket.name}" for bucket in BUCKETS}
    missing = wanted - there if answer["total"] <= len(there) else ()
    if not missing:
        return None
    return f"not provisioned: {', '.join(sorted(missing))}; run: python -m slipway_chassis.provision"


async def _log_problem(service: Service[SettingsT]) -> str | None:
    if service.connection.problem is not None:
        return service.connection.problem
    try:
        await service.log.end()
    except NotFoundError:
        return "the log is not provisioned; run: python -m slipway_chassis.provision"
    except SlipwayError as error:
        return str(error)
    return None
