"""The composition of the api: what it is given, and the services made of that."""

import asyncio
from dataclasses import dataclass
from typing import Self

from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog
from slipway_chassis.metrics import Metrics
from slipway_chassis.telemetry import Telemetry
from slipway_store.queries import Reads

from slipway_api.commands import Commands
from slipway_api.configurations import Configurations
from slipway_api.directory import Directory
from slipway_api.event_stream import EventStreams
from slipway_api.feed import Feed
from slipway_api.keys import Keys
from slipway_api.log_reading import LogReading
from slipway_api.queries import Queries
from slipway_api.settings import ApiSettings
from slipway_api.submissions import Submissions
from slipway_api.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class Deps:
    """What the api needs from its surroundings.

    Attributes:
        log: the log.
        lines: the stream of log lines.
        stopping: set when the process is to end.
    """

    settings: ApiSettings
    log: EventLog
    lines: EventLog
    reads: Reads
    blobs: BlobStore
    directory: Directory
    feed: Feed
    telemetry: Telemetry
    metrics: Metrics
    stopping: asyncio.Event


@dataclass(frozen=True, kw_only=True)
class Services:
    """What routes call."""

    settings: ApiSettings
    directory: Directory
    commands: Commands
    queries: Queries
    uploads: Uploads
    keys: Keys
    event_streams: EventStreams
    log_reading: LogReading
    stopping: asyncio.Event

    @classmethod
    def of(cls, deps: Deps) -> Self:
        """Compose the services."""
        settings = deps.settings
        configurations = Configurations(
            log=deps.log,
            reads=deps.reads,
            blobs=deps.blobs,
            directory=deps.directory,
            patience=settings.projection_timeout,
        )
        return cls(
            settings=settings,
            directory=deps.directory,
            commands=Commands(
                submissions=Submissions(log=deps.log, reads=deps.reads),
                configurations=configurations,
                reads=deps.reads,
                build_timeout=settings.build_timeout,
            ),
            queries=Queries(
                log=deps.log,
                reads=deps.reads,
                feed=deps.feed,
                gateway_url=settings.gateway_url,
                patience=settings.projection_timeout,
            ),
            uploads=Uploads(blobs=deps.blobs, largest=settings.max_artifact_bytes),
            keys=Keys(log=deps.log, directory=deps.directory),
            event_streams=EventStreams(feed=deps.feed, log=deps.log, heartbeat=settings.heartbeat),
            log_reading=LogReading(lines=deps.lines, reads=deps.reads),
            stopping=deps.stopping,
        )
