"""What the api says, in the envelope that tells whose request led to it."""

from datetime import datetime
from typing import Final

from slipway_chassis.event_log import Expect, Outgoing
from slipway_contracts import subjects
from slipway_contracts.commands import Command
from slipway_contracts.envelope import Envelope, Origin, now
from slipway_contracts.events import MessageDiscarded, MessageRetried, VersionHidden
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GatewayRemoved,
    GroupConfigured,
    InstanceTypeConfigured,
    KeyConfigured,
    NameClaimed,
    RequestRefused,
    SecretConfigured,
    WebhookConfigured,
)
from slipway_contracts.webhook_events import WebhookPinged

from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.origins import current_origin

SOURCE: Final = "/slipway/api"
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
OfDeployment = Command | NameClaimed | VersionHidden | MessageRetried | MessageDiscarded


def outgoing(
    message: OfDeployment | Configured | RequestRefused,
    *,
    identifier: str,
    correlation: str | None = None,
    cause: str | None = None,
    traceparent: str | None = None,
    origin: Origin | None = None,
    at: datetime | None = None,
    expect: Expect | None = None,
) -> Outgoing:
    """Return a message ready to publish.

    Args:
        message: what is said.
        identifier: id of the message.
        correlation: id of the message that began it all; None: it is this one.
        cause: id of the message that led to it.
        traceparent: W3C trace context of the request.
        origin: who asked for it; None: whose request is in hand.
        at: when it was said; None: now.
        expect: a condition.
    """
    envelope = Envelope(
        id=identifier,
        type=message.type,
        source=SOURCE,
        subject=_about(message),
        time=at or now(),
        causation_id=cause,
        correlation_id=correlation or identifier,
        traceparent=traceparent,
        origin=origin or current_origin(),
    )
    return Outgoing(subject=subjects.of(message), message=message, envelope=envelope, expect=expect)


def outgoing_for(
    ask: Ask,
    message: OfDeployment,
    *,
    identifier: str | None = None,
    cause: str | None = None,
    at: datetime | None = None,
    expect: Expect | None = None,
) -> Outgoing:
    """Return a message about a deployment that a request asks for, ready to publish.

    Args:
        ask: the request.
        message: what is said.
        identifier: id of the message; None: that of the request.
        cause: id of the message that led to it.
        at: when it was said; None: now.
        expect: a condition.
    """
    return outgoing(
        message,
        identifier=identifier or ask.id,
        correlation=ask.id,
        cause=cause,
        traceparent=ask.traceparent,
        at=at,
        expect=expect,
    )


def _about(message: OfDeployment | Configured | RequestRefused) -> str:
    """Return the `subject` of the CloudEvent."""
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
        case RequestRefused():
            return "/".join(part for part in (message.group, message.deployment) if part) or message.route
        case _:
            return f"{message.group}/{message.deployment}"
