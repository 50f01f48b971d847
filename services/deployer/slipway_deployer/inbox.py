"""Messages of the log as what a deployer decides on; one that cannot be read is decided too."""

from typing import cast

from slipway_chassis.event_log import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError
from slipway_contracts.names import derived_id

from slipway_deployer.message import DeployerMessage, Inbox, Unreadable


def inbox_of(stored: Stored) -> Inbox:
    """Return the message at its position; `Unreadable` in place of a body that is not of its type."""
    try:
        return Inbox(stored.sequence, stored.envelope, cast("DeployerMessage", stored.message))
    except MalformedEnvelopeError as error:
        return Inbox(stored.sequence, _envelope(stored), _unreadable(stored, error))
    except UnknownMessageError as error:
        return Inbox(stored.sequence, stored.envelope, _unreadable(stored, error))


def _unreadable(stored: Stored, error: ValueError) -> Unreadable:
    group, deployment = subjects.owner_of(stored.subject)
    return Unreadable(group=group, deployment=deployment, problem=str(error))


def _envelope(stored: Stored) -> Envelope:
    return Envelope(
        id=stored.headers.get("Nats-Msg-Id", derived_id("sequence", stored.sequence)),
        type="unknown",
        source="unknown",
        subject="/".join(subjects.owner_of(stored.subject)),
        time=stored.time,
    )
