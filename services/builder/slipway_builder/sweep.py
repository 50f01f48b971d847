"""Ends builds whose deadline passed and which no builder works on any more, or never began to."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.commands import Build
from slipway_contracts.envelope import now
from slipway_contracts.subjects import owner_of
from slipway_contracts.topology import BUILDER

from slipway_builder.journal.build_journal import BuildEndedError, BuildJournal
from slipway_builder.journal.endings import failed
from slipway_builder.journal.failures import overdue

_API_SECONDS: Final = 5.0
_OWNER_FIRST: Final = timedelta(seconds=5)
_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Run by every builder; where several find the same build, one of them ends it."""

    log: EventLog
    connection: Connection

    async def forever(self, *, every: timedelta) -> None:
        """Sweep again and again, until cancelled."""
        while True:
            await asyncio.sleep(every.total_seconds())
            try:
                await self.once()
            except TransientError as error:
                _log.warning("the sweep waits for its next turn", problem=str(error))

    async def once(self) -> None:
        """End each overdue build whose command is not answered yet.

        Whoever works on a build ends it at its deadline; some seconds later it is nobody's.
        """
        info = await call(
            self.connection, f"CONSUMER.INFO.{BUILDER.stream}.{BUILDER.durable}", within=_API_SECONDS
        )
        if not info["num_pending"] and not info["num_ack_pending"]:
            return
        async for asked in self.log.read(BUILDER.filters[0], after=info["ack_floor"]["stream_seq"]):
            command = asked.readable
            if isinstance(command, Build) and command.deadline_at + _OWNER_FIRST < now():
                await self._end(asked)

    async def _end(self, asked: Stored) -> None:
        build = asked.envelope.id
        journal = BuildJournal(self.log, asked, build=build, since=asked.sequence)
        try:
            await journal.append(*failed(owner_of(asked.subject), build, overdue()))
        except BuildEndedError:
            return
        _log.warning("an overdue build is ended", build=build)
