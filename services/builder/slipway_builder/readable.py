"""Reads messages of the log that this release may not know: one of them must not end what rests on others.

What a reader makes of the gap is its own business.
"""

from typing import Final

from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.codec import AnyMessage, UnknownMessageError
from slipway_contracts.envelope import MalformedEnvelopeError

_log: Final = get_logger()


def message_of(stored: Stored) -> AnyMessage | None:
    """Return the message, or None, with a line in the service's log, where it cannot be read."""
    try:
        return stored.message
    except (UnknownMessageError, MalformedEnvelopeError) as error:
        _log.error(
            "a message is not readable and is skipped",
            subject=stored.subject,
            sequence=stored.sequence,
            problem=str(error),
        )
        return None
