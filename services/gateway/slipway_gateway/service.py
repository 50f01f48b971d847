"""The gateway at work: follows the log, applies what changed, and says what Envoy has confirmed.

Three tasks: one learns from records, one brings Envoy to what is wanted, one writes the gateway's own record.
Bursts are joined: what arrives during an application goes into the next.
"""

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta
from typing import Final, Literal

from slipway_chassis.errors import LogTruncatedError
from slipway_chassis.event_log import CaughtUp, EventLog, LastPerSubject
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.subjects import ALL_DESIRED, ALL_REPLICAS, is_desired

from slipway_gateway.admin import EnvoyDownError
from slipway_gateway.announcement import Announcer
from slipway_gateway.configuration import Configuration
from slipway_gateway.measures import Measures
from slipway_gateway.snapshot import Snapshot
from slipway_gateway.switch_traces import SwitchTraces
from slipway_gateway.writer import ConfigurationRefusedError, ConfigurationWriter, Target

_CHECK_EVERY: Final = timedelta(seconds=2)
_AGAIN_AFTER: Final = timedelta(milliseconds=100)
_log: Final = get_logger()


class Gateway:
    """Keeps one Envoy at what the log says.

    Args:
        log: the one log.
        configuration: with what was known at the last end.
        writer: of the Envoy's files; loaded.
        snapshot: where knowledge is kept.
        announcer: of what is applied.
        traces: of what becomes of a record.
        measures: metrics.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        configuration: Configuration,
        writer: ConfigurationWriter,
        snapshot: Snapshot,
        announcer: Announcer,
        traces: SwitchTraces,
        measures: Measures,
    ) -> None:
        self._log = log
        self._configuration = configuration
        self._writer = writer
        self._snapshot = snapshot
        self._announcer = announcer
        self._traces = traces
        self._measures = measures
        self._news = asyncio.Event()
        self._seen = 0
        self._desired = 0
        self._caught_up = False
        self._envoy: Literal["ok", "down"] = "ok"

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; Envoy goes on by its files."""
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(self._learn()),
                tasks.create_task(self._keep_applied()),
                tasks.create_task(self._announcer.run()),
                tasks.create_task(self._traces.run()),
            ]
            await stopping.wait()
            for task in working:
                task.cancel()

    async def problem(self) -> str | None:
        """Return what keeps the gateway from serving by the log, None while nothing does."""
        if self._envoy == "down":
            return "Envoy does not answer; is it running with the bootstrap of this gateway's folder?"
        return None if self._caught_up else "the log is not read yet"

    async def _learn(self) -> None:
        while True:
            try:
                await self._follow()
            except LogTruncatedError as error:
                # The routes stay; positions of the log before mean nothing in this one.
                _log.error("the log was replaced; following it from its beginning", problem=str(error))
                self._seen = self._desired = 0
                self._caught_up = False

    async def _follow(self) -> None:
        async with aclosing(self._log.follow(ALL_DESIRED, ALL_REPLICAS, start=LastPerSubject())) as records:
            async for record in records:
                if isinstance(record, CaughtUp):
                    self._caught_up = True
                else:
                    self._learn_of(record)
                self._seen = max(self._seen, record.sequence)
                self._news.set()

    def _learn_of(self, record: Stored) -> None:
        if self._configuration.take(record) and self._caught_up:
            self._traces.learnt(record)
        if is_desired(record.subject):
            self._desired = max(self._desired, record.sequence)

    async def _keep_applied(self) -> None:
        # Not before all records have been read: half of them would show releases without replicas.
        pause = _CHECK_EVERY
        while True:
            await self._await_news(pause)
            if self._caught_up:
                pause = _CHECK_EVERY if await self._apply() else _AGAIN_AFTER

    async def _await_news(self, pause: timedelta) -> None:
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _apply(self) -> bool:
        """Return False where another try soon may help."""
        seen, desired = self._seen, self._desired
        started = time.perf_counter()
        # What is known is on disk before it is announced; Envoy need not wait for that.
        saving = asyncio.create_task(self._save(self._configuration.changed))
        self._traces.begin()
        try:
            await self._bring(self._configuration.target())
        except EnvoyDownError as error:
            self._note_down(str(error))
            return False
        except ConfigurationRefusedError as error:
            _log.error("Envoy refuses all changes", problem=str(error), resources=error.resources)
            return True
        except OSError as error:
            _log.error("Envoy's files cannot be written; it serves by the old ones", problem=str(error))
            return True
        finally:
            await saving
        self._configuration.accept()
        self._traces.confirmed(self._configuration)
        self._envoy = "ok"
        self._measures.applied(seconds=time.perf_counter() - started, sequence=seen)
        configuration = self._configuration
        self._announcer.applied(
            seen, desired=desired, held=configuration.held, sections=list(configuration.sections)
        )
        return True

    async def _save(self, changed: bool) -> None:
        if changed:
            await self._snapshot.save(self._configuration.known)

    async def _bring(self, target: Target) -> None:
        """Apply all that Envoy takes: one deployment's bad luck must not keep the others from changing."""
        while True:
            try:
                return await self._writer.apply(target)
            except ConfigurationRefusedError as error:
                _log.error("Envoy refuses a change", problem=str(error), resources=error.resources)
                self._measures.refused()
                rest = self._configuration.hold(error)
                if rest is None:
                    raise
                target = rest

    def _note_down(self, problem: str) -> None:
        if self._envoy == "ok":
            _log.warning("Envoy has confirmed nothing; the files are written", problem=problem)
        self._envoy = "down"
        self._announcer.envoy_down()
