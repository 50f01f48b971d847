"""The log of an api: beside each request in hand it keeps what that gave to the log, and what came of it.

An answer alone does not say it: an error may come behind a message that is stored, and a message that nobody
confirmed may be stored or not.
"""

from collections.abc import Awaitable, Sequence

from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_chassis.event_log import EventLog, Outgoing, Receipt

from slipway_api.submitting.origins import current_given


class AuditedLog(EventLog):
    """A log that notes for whom it publishes; of a batch the last message stands for all."""

    async def publish(self, outgoing: Outgoing) -> Receipt:
        """Publish one message and wait until it is stored; see `EventLog`."""
        return await _noted(outgoing, super().publish(outgoing))

    async def publish_batch(self, batch: Sequence[Outgoing]) -> Receipt:
        """Publish all or none, and wait until they are stored; see `EventLog`."""
        return await _noted(batch[-1], super().publish_batch(batch))


async def _noted(outgoing: Outgoing, publishing: Awaitable[Receipt]) -> Receipt:
    given, message = current_given(), outgoing.envelope.id
    if given is None:
        return await publishing
    given.note(message, confirmed=False)
    try:
        receipt = await publishing
    except LogUnavailableError:
        raise
    except SlipwayError:
        given.note(message, confirmed=None)
        raise
    # What was there before is of an earlier request, which has told of it.
    given.note(message, confirmed=None if receipt.duplicate else True)
    return receipt
