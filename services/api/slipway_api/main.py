"""The process: composes the api and serves it until it is told to stop."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Generator
from typing import Final

import uvicorn
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Feed
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.leases import Leases
from slipway_chassis.logs import get_logger
from slipway_chassis.process import Service, run_service
from slipway_chassis.secrets import Recipients, Secrets
from slipway_contracts.topology import GATEWAYS, LOG_LINES, WEBHOOK_SECRETS, WEBHOOKS
from slipway_store.connections import open_pool
from slipway_store.queries import open_reads
from starlette.types import ASGIApp

from slipway_api.app import make_app
from slipway_api.audit.audited_log import AuditedLog
from slipway_api.audit.refused import RefusedRequests
from slipway_api.installation.directory import Directory
from slipway_api.listening import listen
from slipway_api.services import Deps
from slipway_api.settings import ApiSettings
from slipway_api.submitting.reservations import SCHEMA, Reservations
from slipway_api.submitting.sweep import Sweep

_GRACE_SECONDS: Final = 3
_OWN_CONNECTIONS: Final = 4
_TELLING_SECONDS: Final = 1.0
_COLLECT_AFTER: Final = 10_000  # objects that hold others: a request makes hundreds, and leaves no cycles
_DEPLOYER: Final = "deployer"
_NOTIFIER: Final = "notifier"
_log: Final = get_logger()


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


async def serve(service: Service[ApiSettings]) -> None:
    """Serve until the process is told to stop; event streams end first, then requests in hand."""
    settings = service.settings
    log = AuditedLog(
        connection=service.connection,
        publish_timeout=settings.log_timeout.total_seconds(),
        read_timeout=settings.log_timeout.total_seconds(),
        telemetry=service.telemetry,
    )
    database_url = settings.database_url.get_secret_value()
    recipients = Recipients.load(settings.secret_keys) if settings.secret_keys is not None else None
    reads = await open_reads(database_url)
    own_tables = await open_pool(database_url, schema=SCHEMA, most=_OWN_CONNECTIONS)
    reservations = Reservations(pool=own_tables)
    directory = Directory(log=log)
    feed = Feed(log=log, events=settings.feed_events, size=settings.feed_bytes)
    refused = RefusedRequests(log=log, within=settings.refusals_within, metrics=service.metrics)
    deps = Deps(
        settings=settings,
        log=log,
        lines=EventLog(connection=service.connection, stream=LOG_LINES.name),
        reads=reads,
        reservations=reservations,
        heartbeats=Heartbeats(connection=service.connection, bucket=GATEWAYS.name),
        secrets=Secrets(connection=service.connection),
        recipients=recipients.only(_DEPLOYER) if recipients is not None else None,
        webhook_secrets=Secrets(connection=service.connection, bucket=WEBHOOK_SECRETS.name),
        webhook_recipients=recipients.only(_NOTIFIER) if recipients is not None else None,
        webhook_positions=Heartbeats(connection=service.connection, bucket=WEBHOOKS.name),
        leases=Leases(connection=service.connection, holder=settings.service_instance),
        blobs=FilesystemBlobStore(settings.blob_root),
        directory=directory,
        feed=feed,
        refused=refused,
        telemetry=service.telemetry,
        metrics=service.metrics,
        stopping=service.stopping,
    )
    sweep = Sweep(
        log=log,
        reservations=reservations,
        every=settings.sweep_interval,
        patience=settings.log_timeout + settings.reservation_patience,
    )
    service.probes.add("directory", lambda: _reading(directory, feed))
    try:
        listening = listen(settings.host, settings.port)
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(refused.run())
            followers = [
                telling,
                tasks.create_task(directory.run()),
                tasks.create_task(feed.run()),
                tasks.create_task(sweep.run()),
                tasks.create_task(_close_on_stop(feed, service.stopping)),
            ]
            app = make_app(deps)
            gc.freeze()  # what was imported stays: the collector need not look at it again
            gc.set_threshold(_COLLECT_AFTER)
            await _serve_http(app, settings, listening, service.stopping)
            refused.close()
            await asyncio.wait([telling], timeout=_TELLING_SECONDS)
            for follower in followers:
                follower.cancel()
    finally:
        await reads.close()
        await own_tables.close()


async def _serve_http(
    app: ASGIApp, settings: ApiSettings, listening: socket.socket, stopping: asyncio.Event
) -> None:
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Uvicorn's own default trusts whatever this machine sends.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    port = listening.getsockname()[1]
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    _log.info("listening", host=settings.host, port=port)
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        stopped.cancel()
        await serving


async def _close_on_stop(feed: Feed, stopping: asyncio.Event) -> None:
    await stopping.wait()
    feed.close()


async def _reading(directory: Directory, feed: Feed) -> str | None:
    if directory.caught_up.is_set() and feed.started.is_set():
        return None
    return "reading keys and the newest events from the log"


def main() -> None:
    """Run the api."""
    run_service("api", ApiSettings, serve)


if __name__ == "__main__":
    main()
