"""Publishing what an installation or a group is configured with: the full new value, in the log alone."""

from datetime import datetime

from slipway_chassis.event_log import EventLog, Expect, Outgoing
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GatewayRemoved,
    GroupConfigured,
    InstanceTypeConfigured,
    KeyConfigured,
    SecretConfigured,
    WebhookConfigured,
)
from slipway_contracts.webhook_events import WebhookPinged

from slipway_api.directory import Directory
from slipway_api.names import SOURCE
from slipway_api.origins import current_origin

Configured = (
    KeyConfigured
    | GroupConfigured
    | InstanceTypeConfigured
    | SecretConfigured
    | ArtifactAdopted
    | ArtifactHidden
    | ArtifactUploaded
    | GatewayRemoved
    | WebhookConfigured
    | WebhookPinged
)


class Configuring:
    """Publishes configuration.

    Args:
        log: its only home.
        directory: knows it.
    """

    def __init__(self, *, log: EventLog, directory: Directory) -> None:
        self._log = log
        self._directory = directory

    async def publish(
        self, message: Configured, *, expect: Expect | None = None, traceparent: str | None = None
    ) -> int:
        """Publish a message and return its sequence; this process goes by it when this returns.

        Raises:
            ConflictError: `expect` does not hold.
            LogUnavailableError: not confirmed; it may be stored or not.
        """
        outgoing = configuration(message, identifier=new_id(), expect=expect, traceparent=traceparent)
        receipt = await self._log.publish(outgoing)
        await self._directory.applied(receipt.sequence)
        return receipt.sequence


def configuration(
    message: Configured,
    *,
    identifier: str,
    expect: Expect | None = None,
    traceparent: str | None = None,
    at: datetime | None = None,
) -> Outgoing:
    """Return the message ready to publish."""
    envelope = Envelope(
        id=identifier,
        type=message.type,
        source=SOURCE,
        subject=_subject(message),
        time=at or now(),
        correlation_id=identifier,
        traceparent=traceparent,
        origin=current_origin(),
    )
    return Outgoing(subject=subjects.of(message), message=message, envelope=envelope, expect=expect)


def _subject(message: Configured) -> str:
    match message:
        case KeyConfigured():
            return message.user
        case GatewayRemoved():
            return message.gateway
        case InstanceTypeConfigured():
            return message.name
        case SecretConfigured():
            return f"{message.group}/{message.secret}"
        case ArtifactAdopted() | ArtifactHidden() | ArtifactUploaded():
            return f"{message.group}/{message.digest}"
        case WebhookConfigured() | WebhookPinged():
            return f"{message.group}/{message.webhook}" if message.group else message.webhook
        case GroupConfigured():
            return message.group
