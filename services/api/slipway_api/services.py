"""The composition of the api: what it is given, and the services made of that."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog
from slipway_chassis.feed import Feed
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.leases import Leases
from slipway_chassis.metrics import Metrics
from slipway_chassis.secrets import Recipients, Secrets
from slipway_chassis.telemetry import Telemetry
from slipway_store.queries import Reads

from slipway_api.audit.refused import RefusedRequests
from slipway_api.commands import Commands
from slipway_api.identity.endpoint_keys import EndpointKeys
from slipway_api.identity.keys import Keys
from slipway_api.installation.artifacts import Artifacts
from slipway_api.installation.configurations import Configurations
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.installation.gateways import Gateways
from slipway_api.installation.group_secrets import GroupSecrets
from slipway_api.installation.groups import Groups
from slipway_api.installation.holdings import Holdings
from slipway_api.installation.instance_types import InstanceTypes
from slipway_api.installation.targets import Targets
from slipway_api.installation.uploads import Uploads
from slipway_api.installation.webhook_standing import WebhookStanding
from slipway_api.installation.webhooks import Webhooks
from slipway_api.reading.archive import Archive
from slipway_api.reading.histories import Histories
from slipway_api.reading.name_holders import NameHolders
from slipway_api.reading.past import Past
from slipway_api.reading.queries import Queries
from slipway_api.reading.timelines import Timelines
from slipway_api.reading.versions import Versions
from slipway_api.settings import ApiSettings
from slipway_api.streams.event_stream import EventStreams
from slipway_api.streams.log_reading import LogReading
from slipway_api.submitting.admission import Admission
from slipway_api.submitting.reservations import Reservations
from slipway_api.submitting.submissions import Submissions


@dataclass(frozen=True, kw_only=True)
class Deps:
    """What the api needs from its surroundings.

    Attributes:
        log: the log.
        lines: the stream of log lines.
        heartbeats: the records of the gateways.
        secrets: the sealed versions of secrets.
        recipients: who may open them; None: nobody.
        webhook_secrets: the sealed secrets of webhooks.
        webhook_recipients: the notifier, which may open those; None: there is none.
        webhook_positions: what the notifier says of webhooks.
        leases: who does what alone.
        stopping: set when the process is to end.
    """

    settings: ApiSettings
    log: EventLog
    lines: EventLog
    reads: Reads
    reservations: Reservations
    heartbeats: Heartbeats
    secrets: Secrets
    recipients: Recipients | None
    webhook_secrets: Secrets
    webhook_recipients: Recipients | None
    webhook_positions: Heartbeats
    leases: Leases
    blobs: BlobStore
    directory: Directory
    feed: Feed
    refused: RefusedRequests
    telemetry: Telemetry
    metrics: Metrics
    stopping: asyncio.Event


@dataclass(frozen=True, kw_only=True)
class Services:
    """What routes call.

    Attributes:
        id_of: the id of a deployment, of a group and what it is called.
    """

    settings: ApiSettings
    directory: Directory
    id_of: Callable[[str, str], Awaitable[str]]
    commands: Commands
    versions: Versions
    histories: Histories
    timelines: Timelines
    queries: Queries
    past: Past
    uploads: Uploads
    keys: Keys
    groups: Groups
    instance_types: InstanceTypes
    targets: Targets
    gateways: Gateways
    secrets: GroupSecrets
    artifacts: Artifacts
    webhooks: Webhooks
    event_streams: EventStreams
    log_reading: LogReading
    stopping: asyncio.Event

    @classmethod
    def of(cls, deps: Deps) -> Self:
        """Compose the services."""
        settings = deps.settings
        configuring = Configuring(log=deps.log, directory=deps.directory)
        admission = Admission(
            log=deps.log,
            directory=deps.directory,
            reservations=deps.reservations,
            patience=settings.projection_timeout,
        )
        holdings = Holdings(directory=deps.directory, reads=deps.reads)
        configurations = Configurations(
            log=deps.log,
            reads=deps.reads,
            blobs=deps.blobs,
            holdings=holdings,
            directory=deps.directory,
            patience=settings.projection_timeout,
        )
        holders = NameHolders(log=deps.log, register=deps.directory.names, reads=deps.reads)
        archive = Archive(log=deps.log, reads=deps.reads, configurations=configurations)
        return cls(
            settings=settings,
            directory=deps.directory,
            id_of=holders.id_of,
            commands=Commands.of(
                submissions=Submissions(log=deps.log, reads=deps.reads, admission=admission),
                configurations=configurations,
                log=deps.log,
                reads=deps.reads,
                archive=archive,
                keys=EndpointKeys(path=settings.endpoint_key_file),
                build_timeout=settings.build_timeout,
            ),
            versions=Versions(log=deps.log, archive=archive, blobs=deps.blobs),
            histories=Histories(reads=deps.reads),
            timelines=Timelines(reads=deps.reads),
            queries=Queries(
                log=deps.log,
                reads=deps.reads,
                feed=deps.feed,
                gateway_url=settings.gateway_url,
                patience=settings.projection_timeout,
            ),
            past=Past(
                log=deps.log,
                reads=deps.reads,
                holders=holders,
                gateway_url=settings.gateway_url,
                patience=settings.projection_timeout,
            ),
            uploads=Uploads(
                blobs=deps.blobs,
                holdings=holdings,
                configuring=configuring,
                largest=settings.max_artifact_bytes,
            ),
            keys=Keys(configuring=configuring, directory=deps.directory),
            groups=Groups(configuring=configuring, directory=deps.directory, reservations=deps.reservations),
            instance_types=InstanceTypes(configuring=configuring, directory=deps.directory),
            targets=Targets(directory=deps.directory, reservations=deps.reservations, reads=deps.reads),
            gateways=Gateways(
                heartbeats=deps.heartbeats,
                configuring=configuring,
                silent_after=settings.gateway_silent_after,
            ),
            secrets=GroupSecrets(
                log=deps.log,
                configuring=configuring,
                directory=deps.directory,
                secrets=deps.secrets,
                recipients=deps.recipients,
                reads=deps.reads,
                patience=settings.projection_timeout,
            ),
            artifacts=Artifacts(
                blobs=deps.blobs,
                configuring=configuring,
                directory=deps.directory,
                holdings=holdings,
                reads=deps.reads,
            ),
            webhooks=Webhooks(
                log=deps.log,
                configuring=configuring,
                directory=deps.directory,
                secrets=deps.webhook_secrets,
                recipients=deps.webhook_recipients,
                standing=WebhookStanding(log=deps.log, positions=deps.webhook_positions, leases=deps.leases),
            ),
            event_streams=EventStreams(feed=deps.feed, log=deps.log, heartbeat=settings.heartbeat),
            log_reading=LogReading(lines=deps.lines, reads=deps.reads),
            stopping=deps.stopping,
        )
