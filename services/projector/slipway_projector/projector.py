"""The projector's life: stand by, catch up, follow; begin again at the checkpoint after any disturbance.

It acknowledges nothing: its position is the checkpoint, which moves in the transaction of what it stands for.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

import asyncpg
from opentelemetry.trace import SpanKind
from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.logs import get_logger
from slipway_chassis.telemetry import Telemetry, batch_attributes
from slipway_contracts.topology import LOG
from slipway_store.connections import UNAVAILABLE
from slipway_store.rows import CheckpointRow

from slipway_projector.arrivals import Arrivals, reading
from slipway_projector.continuity import verify
from slipway_projector.database import Database
from slipway_projector.errors import CheckpointMovedError, OlderFoldError
from slipway_projector.ledger import Ledger
from slipway_projector.logged import Logged, read_whole
from slipway_projector.meters import Meters
from slipway_projector.overlapping import overlapping
from slipway_projector.rebuilds.renewal import renew

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_PATIENCE_SECONDS: Final = 0.02
"""While it catches up: a full batch costs less per message."""
_READ_AHEAD: Final = 1

_log: Final = get_logger()


class Projector:
    """Keeps the tables in step with the log, forever.

    Args:
        log: the log.
        database: where the tables are.
        meters: counted into.
        telemetry: gets a span per batch and, while spans are recorded, one per message.
        blobs: where snapshots of the log are.
        batch_messages: most messages in one transaction.
        standby_poll: how often a standby asks for its turn.
        verify_period: how often the log is compared with the checkpoint.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        database: Database,
        meters: Meters,
        telemetry: Telemetry,
        blobs: BlobStore | None = None,
        batch_messages: int = 2000,
        standby_poll: timedelta = timedelta(milliseconds=500),
        verify_period: timedelta = timedelta(seconds=5),
    ) -> None:
        self._log = log
        self._database = database
        self._meters = meters
        self._telemetry = telemetry
        self._blobs = blobs
        self._batch_messages = batch_messages
        self._standby_poll = standby_poll
        self._verify_period = verify_period.total_seconds()
        self._problem: str | None = "the projector begins"
        self._pause = _FIRST_PAUSE

    async def problem(self) -> str | None:
        """Return what keeps the tables from being fresh; None while they are, or another projector writes."""
        return self._problem

    async def run(self) -> None:
        """Project until cancelled; every disturbance is waited out, with its reason in `problem`."""
        while True:
            try:
                await self._project()
            except CheckpointMovedError as moved:
                _log.warning("begins again at the checkpoint", because=str(moved))
            except LogUnavailableError as error:
                await self._wait(str(error), _FIRST_PAUSE)
            except SlipwayError as stopped:
                await self._wait(f"stopped: {stopped}", _LONGEST_PAUSE)
            except (asyncpg.PostgresError, *UNAVAILABLE) as error:
                await self._wait(f"Postgres: {error or type(error).__name__}", self._pause)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            finally:
                self._meters.active.set(0)

    async def _wait(self, problem: str, seconds: float) -> None:
        if problem != self._problem:
            _log.error("the projector waits", because=problem)
            self._problem = problem
        await asyncio.sleep(seconds)

    async def _project(self) -> None:
        async with self._database.connection() as connection, self._database.connection() as reader:
            await self._take_turn(connection)
            try:
                ledger = await Ledger.open(connection, reader=reader)
            except OlderFoldError as older:
                await self._renew(older.checkpoint)
                return
            end = await verify(self._log, ledger.checkpoint)
            self._meters.lag.set(end - ledger.checkpoint.sequence)
            self._meters.checkpoint.set(ledger.checkpoint.sequence)
            self._catches_up(ledger)
            _log.info("projects", after=ledger.checkpoint.sequence)
            items = read_whole(self._log.follow(start=After(ledger.checkpoint.sequence)))
            async with reading(items, most=_READ_AHEAD * self._batch_messages) as arrivals:
                await self._follow(ledger, arrivals)

    async def _renew(self, checkpoint: CheckpointRow) -> None:
        """Make the tables anew; standbys go on standing by.

        Raises:
            OtherLogError: the tables in use are all that is left of the log that they were made of.
        """
        await verify(self._log, checkpoint)
        url, made_by = self._database.url, checkpoint.projection
        await renew(self._log, url, blobs=self._blobs, made_by=made_by, say=self._says)

    def _says(self, problem: str) -> None:
        self._problem = problem

    def _catches_up(self, ledger: Ledger) -> None:
        self._problem = f"catches up with the log, {ledger.checkpoint.sequence} messages are in the tables"

    async def _take_turn(self, connection: asyncpg.Connection) -> None:
        if not await self._database.become_writer(connection):
            _log.info("stands by: another projector writes")
            self._problem = None
            await self._database.await_turn(connection, self._standby_poll)
        self._meters.active.set(1)

    async def _follow(self, ledger: Ledger, arrivals: Arrivals[Logged | CaughtUp]) -> None:
        verified = time.monotonic()
        patience = _PATIENCE_SECONDS
        async with overlapping(partial(self._write, ledger)) as writing:
            while True:
                await writing.room()
                items = await self._next(arrivals, patience)
                if messages := [item for item in items if isinstance(item, Logged)]:
                    writing.begin(messages)
                if any(isinstance(item, CaughtUp) for item in items):
                    await writing.ended()
                    patience = 0.0
                    self._problem, self._pause = None, _FIRST_PAUSE
                    _log.info("caught up", at=ledger.checkpoint.sequence)
                if time.monotonic() - verified >= self._verify_period:
                    await self._verify(ledger)
                    verified = time.monotonic()

    async def _next(
        self, arrivals: Arrivals[Logged | CaughtUp], patience: float
    ) -> Sequence[Logged | CaughtUp]:
        """Return what arrived; nothing, when it is time to look at the log again."""
        try:
            async with asyncio.timeout(self._verify_period):
                return await arrivals.batch(self._batch_messages, patience=patience)
        except TimeoutError:
            return ()

    async def _write(self, ledger: Ledger, batch: Sequence[Logged]) -> None:
        attributes = batch_attributes(len(batch), stream=LOG.name)
        with self._telemetry.span("project batch", kind=SpanKind.CONSUMER, attributes=attributes) as span:
            folded = await ledger.write(batch)
            if span.is_recording():
                for logged in folded:
                    if logged.envelope is not None:
                        with self._telemetry.processing(logged.envelope, stream=LOG.name) as each:
                            span.add_link(each.get_span_context())
        self._meters.wrote(len(batch), folded, ledger.checkpoint.sequence)
        if self._problem is not None:
            self._catches_up(ledger)
        for logged in folded:
            if logged.problem is not None:
                _log.warning("stored unfolded", sequence=logged.sequence, because=logged.problem)

    async def _verify(self, ledger: Ledger) -> None:
        try:
            end = await verify(self._log, ledger.checkpoint)
        except LogUnavailableError:
            return  # following survives it, and says so
        self._meters.lag.set(end - ledger.checkpoint.sequence)
