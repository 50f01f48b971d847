"""Builders of messages for tests that need something to publish, whatever it means."""

from slipway_chassis.event_log import Expect, Outgoing
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import ReleaseReady


def make_release_ready(*, group: str = "team", deployment: str = "digits", release: int = 1) -> ReleaseReady:
    return ReleaseReady(group=group, deployment=deployment, release=release)


def make_outgoing(
    message: AnyMessage | None = None,
    *,
    identity: str | None = None,
    expect: Expect | None = None,
    traceparent: str | None = None,
    correlation_id: str | None = None,
    **overrides: str | int,
) -> Outgoing:
    """Return a message ready to publish; without one, a `ReleaseReady` with these fields."""
    message = message or make_release_ready(**overrides)  # type: ignore[arg-type]
    envelope = Envelope(
        id=identity or new_id(),
        type=message.type,
        source="/slipway/test",
        subject="team/digits",
        time=now(),
        traceparent=traceparent,
        correlation_id=correlation_id,
    )
    return Outgoing(subject=subjects.of(message), message=message, envelope=envelope, expect=expect)
