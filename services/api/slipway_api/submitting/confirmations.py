"""Tells Postgres where the log has the commands of reservations, behind the answers to their requests.

What waits while one statement runs goes with the next. Until then a reservation counts as one whose command
is on its way, which is never too little; what cannot be told is left to the sweep.
"""

import asyncio
from datetime import timedelta
from typing import Final

from slipway_chassis.logs import get_logger
from slipway_store.connections import DatabaseUnavailableError

from slipway_api.submitting.reservations import Reservations

_PATIENCE: Final = timedelta(seconds=10)
_log: Final = get_logger()


class Confirmations:
    """Confirms reservations.

    Args:
        reservations: where they are.
    """

    def __init__(self, *, reservations: Reservations) -> None:
        self._reservations = reservations
        self._waiting: dict[str, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def add(self, reservation: str, sequence: int) -> None:
        """Confirm a reservation soon: the log has its command at this sequence."""
        self._waiting[reservation] = sequence
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._waiting:
                told, self._waiting = self._waiting, {}
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    await self._reservations.confirm(told)
        except (DatabaseUnavailableError, TimeoutError) as error:
            _log.warning("leaves reservations to the sweep", because=repr(error))
        finally:
            # No await lies between the last look at what waits and here: nothing is left untold.
            self._telling = None
