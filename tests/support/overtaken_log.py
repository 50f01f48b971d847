"""A log in which others are faster: before each message that is published here, they publish theirs."""

from collections.abc import Awaitable, Callable

from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing, Receipt


class OvertakenLog(EventLog):
    """A log with others in it.

    Args:
        connection: the process' connection.
        others: what they do before a message is published here.
        times: how often they do it.
    """

    def __init__(
        self, *, connection: Connection, others: Callable[[], Awaitable[object]], times: int
    ) -> None:
        super().__init__(connection=connection)
        self._others = others
        self._left = times

    async def publish(self, outgoing: Outgoing) -> Receipt:
        """Publish behind what the others published."""
        if self._left > 0:
            self._left -= 1
            await self._others()
        return await super().publish(outgoing)
