"""Streams, consumers, buckets and rights, as data; the chassis' provisioning command applies them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """A JetStream stream on file storage."""

    name: str
    description: str
    subjects: tuple[str, ...]
    duplicate_window: timedelta = timedelta(minutes=2)
    max_age: timedelta | None = None
    max_bytes: int | None = None
    max_messages_per_subject: int | None = None
    discard_old: bool = False
    atomic_batches: bool = False
    told: bool = False
    """Whether what it has stored is told anew, by the server, on `subjects.told`."""


@dataclass(frozen=True, kw_only=True)
class ConsumerSpec:
    """A durable pull consumer with explicit acknowledgement, shared by the replicas of one service.

    `max_deliver` is unlimited: the typed error of a handler decides what a delivery means.
    """

    durable: str
    service: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: timedelta = timedelta(seconds=6)
    """How long after its handler's death a message comes again; a handler that lives extends it."""
    max_ack_pending: int = 256


@dataclass(frozen=True, kw_only=True)
class BucketSpec:
    """A key-value bucket."""

    name: str
    description: str
    message_ttl: bool = False
    readers: tuple[str, ...] | None = None
    """The services that may read it; None: all."""


@dataclass(frozen=True, kw_only=True)
class ServiceRights:
    """What a service's NATS user may publish and read of the log; API and inbox subjects come on top."""

    service: str
    publish: tuple[str, ...]
    buckets_written: tuple[str, ...] = ()


LOG: Final = StreamSpec(
    name="SLIPWAY",
    description="The one log: commands, events, desired state, replica facts.",
    subjects=("slipway.*.*.cmd.>", "slipway.*.*.evt.>", "slipway.*.*.desired", "slipway.*.*.replica.>"),
    duplicate_window=timedelta(hours=24),
    atomic_batches=True,
    told=True,
)
LOG_LINES: Final = StreamSpec(
    name="SLIPWAY_LOGS",
    description="Log lines of builds and replicas.",
    subjects=("slipway.*.*.log.>",),
    max_age=timedelta(days=7),
    max_bytes=4 << 30,
    max_messages_per_subject=20_000,
    discard_old=True,
    told=True,
)
STREAMS: Final = (LOG, LOG_LINES)

BUILDER: Final = ConsumerSpec(
    durable="builder", service="builder", stream=LOG.name, filters=("slipway.*.*.cmd.builder.build",)
)
BUILDER_CANCEL: Final = ConsumerSpec(
    durable="builder-cancel", service="builder", stream=LOG.name, filters=("slipway.*.*.cmd.builder.cancel",)
)
BUILDER_REMOVE: Final = ConsumerSpec(
    durable="builder-remove", service="builder", stream=LOG.name, filters=("slipway.*.*.cmd.builder.remove",)
)
DEPLOYER: Final = ConsumerSpec(
    durable="deployer",
    service="deployer",
    stream=LOG.name,
    filters=(
        "slipway.*.*.cmd.deployer.>",
        "slipway.*.*.evt.build.succeeded",
        "slipway.*.*.evt.build.failed",
        "slipway.*.*.evt.build.canceled",
        "slipway.*.*.replica.>",
    ),
)
CONSUMERS: Final = (BUILDER, BUILDER_CANCEL, BUILDER_REMOVE, DEPLOYER)

LEASES: Final = BucketSpec(name="leases", description="Who holds what, until when.", message_ttl=True)
TRIES: Final = BucketSpec(
    name="tries",
    description="How often a message was tried in vain, since when, and why.",
    message_ttl=True,
    readers=("builder", "deployer"),
)
GATEWAYS: Final = BucketSpec(name="gateways", description="What each gateway has applied.")
SECRETS: Final = BucketSpec(
    name="secrets",
    description="Versions of secrets, each sealed to the services that may open it.",
    readers=("api", "deployer"),
)
WEBHOOKS: Final = BucketSpec(
    name="webhooks", description="How far each webhook is.", readers=("api", "notifier")
)
WEBHOOK_SECRETS: Final = BucketSpec(
    name="webhook-secrets",
    description="What signs the deliveries of webhooks, sealed to the notifier.",
    readers=("api", "notifier"),
)
BUCKETS: Final = (LEASES, TRIES, GATEWAYS, SECRETS, WEBHOOKS, WEBHOOK_SECRETS)

RIGHTS: Final = (
    ServiceRights(
        service="api",
        publish=(
            "slipway.*.*.cmd.>",
            "slipway.*.*.evt.version.hidden",
            "slipway.*.*.evt.message.retried",
            "slipway.*.*.evt.message.discarded",
            "slipway.*._.evt.request.refused",
            "slipway.*._.evt.group.*",
            "slipway.*._.evt.name.*",
            "slipway.*._.evt.secret.*",
            "slipway.*._.evt.artifact.*",
            "slipway._._.evt.instance-type.*",
            "slipway._._.evt.key.*",
            "slipway._._.evt.gateway.removed",
            "slipway.*._.evt.webhook.configured",
            "slipway.*._.evt.webhook.pinged",
        ),
        buckets_written=("secrets", "gateways", "webhook-secrets"),
    ),
    ServiceRights(
        service="builder",
        publish=(
            "slipway.*.*.evt.build.*",
            "slipway.*.*.evt.version.removed",
            "slipway.*.*.evt.operation.*",
            "slipway.*.*.evt.message.dead",
            "slipway.*.*.log.build.>",
        ),
        buckets_written=("tries",),
    ),
    ServiceRights(
        service="deployer",
        publish=(
            "slipway.*.*.desired",
            "slipway.*.*.evt.release.*",
            "slipway.*.*.evt.traffic.*",
            "slipway.*.*.evt.deployment.*",
            "slipway.*.*.evt.workload.*",
            "slipway.*.*.evt.operation.*",
            "slipway.*.*.evt.message.dead",
            "slipway.*.*.cmd.builder.cancel",
            "slipway.*.*.cmd.builder.remove",
            "slipway._._.evt.target.*",
        ),
        buckets_written=("leases", "tries"),
    ),
    ServiceRights(
        service="monitor",
        publish=("slipway.*.*.replica.>", "slipway._._.evt.target.*", "slipway.*.*.log.workload.>"),
        buckets_written=("leases",),
    ),
    ServiceRights(service="gateway", publish=(), buckets_written=("gateways",)),
    ServiceRights(service="projector", publish=("slipway._._.evt.log.*",)),
    ServiceRights(
        service="notifier",
        publish=(
            "slipway.*._.evt.webhook.disabled",
            "slipway.*._.evt.webhook.removed",
            "slipway.*._.evt.webhook.answered",
        ),
        buckets_written=("leases", "webhooks", "webhook-secrets"),
    ),
)


def inbox_prefix(user: str | None) -> str:
    """Return where the answers to a user of NATS go; its rights keep all others from reading them."""
    return f"_INBOX_{user}" if user else "_INBOX"
