"""Clears up behind api processes that ended between a reservation, its command and its confirmation.

Runs in every api process; it does no harm when several do the same. A reservation is given up only when its
command can no longer be published and the log does not hold it.
"""

import asyncio
from datetime import timedelta
from typing import Final

from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_store.connections import DatabaseUnavailableError

from slipway_api.submitting.reservations import InDoubt, Reservations

_MOST: Final = 100
_log: Final = get_logger()


class Sweep:
    """Settles reservations.

    Args:
        log: says which commands were accepted.
        reservations: what accepted commands hold.
        every: time between two rounds.
        patience: age at which no api process still publishes the command of a reservation.
    """

    def __init__(
        self, *, log: EventLog, reservations: Reservations, every: timedelta, patience: timedelta
    ) -> None:
        self._log = log
        self._reservations = reservations
        self._every = every.total_seconds()
        self._patience = patience

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.once()
            except (DatabaseUnavailableError, LogUnavailableError) as error:
                _log.warning("reservations wait", because=str(error))
            await asyncio.sleep(self._every)

    async def once(self) -> None:
        """Settle what is settled, and a bounded number of those in doubt.

        Raises:
            DatabaseUnavailableError: Postgres does not answer; nothing is lost.
            LogUnavailableError: the log does not answer; nothing is lost.
        """
        await self._reservations.drop_settled()
        for doubt in await self._reservations.in_doubt(older_than=self._patience, limit=_MOST):
            sequence = await self._sequence(doubt)
            if sequence is None:
                await self._reservations.drop(doubt.id)
                _log.info("gave a reservation back", command=doubt.command, group=doubt.group)
            else:
                await self._reservations.confirm({doubt.id: sequence})

    async def _sequence(self, doubt: InDoubt) -> int | None:
        lane = subjects.deployer_commands(doubt.group, doubt.deployment)
        async for stored in self._log.read(lane, after=doubt.behind):
            if stored.headers.get("ce-id") == doubt.command:
                return stored.sequence
        return None
