"""Messages of the log as what a deployer decides on; one that cannot be read is decided too."""

from dataclasses import replace
from typing import cast

from slipway_chassis.event_log import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError
from slipway_contracts.names import derived_id

from slipway_deployer.desired.message import DeployerMessage, GivenUp, Incoming, Unreadable


def incoming_of(stored: Stored) -> Incoming:
    """Return the message at its position; `Unreadable` in place of a body that is not of its type."""
    try:
        message = cast("DeployerMessage", stored.message)
        require_own(stored.subject, message.group, message.deployment)
        return Incoming(stored.sequence, stored.envelope, message)
    except MalformedEnvelopeError as error:
        return Incoming(stored.sequence, _envelope(stored), _unreadable(stored, error))
    except UnknownMessageError as error:
        return Incoming(stored.sequence, stored.envelope, _unreadable(stored, error))


def require_own(subject: str, group: str, deployment: str) -> None:
    """Refuse a body that speaks of another deployment than its subject, under whose guard it was published.

    Raises:
        UnknownMessageError: it does.
    """
    if (group, deployment) != subjects.owner_of(subject):
        raise UnknownMessageError(f"the body speaks of {group}/{deployment}, its subject is {subject}")


def given_up(each: Incoming) -> Incoming:
    """Return a command that was given up in its place: it has no effect any more."""
    return replace(each, message=GivenUp(group=each.message.group, deployment=each.message.deployment))


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
