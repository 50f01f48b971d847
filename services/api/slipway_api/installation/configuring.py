"""Publishing what an installation or a group is configured with: the full new value, in the log alone."""

from slipway_chassis.event_log import EventLog, Expect
from slipway_contracts.envelope import new_id

from slipway_api.installation.directory import Directory
from slipway_api.submitting.outgoing import Configured, outgoing


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
        self,
        message: Configured,
        *,
        identifier: str | None = None,
        expect: Expect | None = None,
        traceparent: str | None = None,
    ) -> int:
        """Publish a message and return its sequence; this process goes by it when this returns.

        Args:
            message: what is configured.
            identifier: of the message; the log takes no second one of the same. None: a new one.
            expect: a condition.
            traceparent: W3C trace context of the request.

        Raises:
            ConflictError: `expect` does not hold.
            LogUnavailableError: not confirmed, so that it may be stored or not; or stored, and this process
                does not come to know it.
        """
        identifier = identifier or new_id()
        receipt = await self._log.publish(
            outgoing(message, identifier=identifier, traceparent=traceparent, expect=expect)
        )
        await self._directory.applied(receipt.sequence)
        return receipt.sequence
