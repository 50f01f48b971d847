"""Watches one replica: reads its record, waits for its end, probes it while it runs. Reports levels."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from slipway_contracts.failure import Reason
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import ReplicaRef, WorkloadRef

from slipway_engines.engine import ImageProblem, ReplicaObserved
from slipway_engines.supervisor.callers import Callers
from slipway_engines.supervisor.exit_watch import on_exit
from slipway_engines.supervisor.launcher.launch_config import LaunchConfig
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord
from slipway_engines.supervisor.listeners import ListeningPorts
from slipway_engines.supervisor.log_reader import tail
from slipway_engines.supervisor.probes import HOST
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.sight import Sight
from slipway_engines.supervisor.standing import Standing, detail_of, standing, state_of

_LOOK_AGAIN_SECONDS: Final = 5.0
_DOUBT_SECONDS: Final = 0.2
_BRIEF_SECONDS: Final = 0.5
_BRIEF: Final = frozenset({Standing.AWAITED, Standing.PREPARING})
_NOT_ON_RECORD: Final = frozenset({Standing.LEAVING, Standing.PAUSED, Standing.KILLED})
"""What the launcher did not write down, or what it wrote is older than what is told now."""
_KILLED: Final = "SIGKILL"

Report = ReplicaObserved | ImageProblem


class ReplicaWatch:
    """One start of one replica, until nothing of it is left."""

    def __init__(
        self,
        *,
        program: Program,
        config: LaunchConfig,
        files: ProgramFiles,
        ports: ListeningPorts,
        callers: Callers,
        publish: Callable[[Program, Report], None],
    ) -> None:
        self.reported = asyncio.Event()
        self._program = program
        self._config = config
        self._files = files
        self._ports = ports
        self._callers = callers
        self._publish = publish
        self._changed = asyncio.Event()
        self._last: Report | None = None
        self._process: tuple[int, str | None] | None = None
        self._sight = self._sight_of(config.port)
        self._ref = ReplicaRef(
            workload=WorkloadRef(group=config.group, deployment=config.deployment, id=config.workload),
            id=config.replica,
        )

    def wake(self) -> None:
        """Tell that files of this replica changed."""
        self._changed.set()

    def tell_again(self) -> None:
        """Report once more what was reported last, or what is true by now."""
        self._last = None
        self.wake()

    async def run(self) -> None:
        """Report until the replica is gone."""
        try:
            await self._run()
        finally:
            self._sight.close()

    async def _run(self) -> None:
        begun = time.monotonic()
        doubted = False
        while True:
            self._changed.clear()
            record = self._files.record(self._program)
            where = standing(record, wished=self._files.is_wished(self._program))
            if where is Standing.KILLED and not doubted:
                # Who kills a supervisord with all it started may hit the launcher first.
                doubted = True
                await asyncio.sleep(_DOUBT_SECONDS)
                continue
            doubted = False
            if where is Standing.RUNNING and record is not None:
                await self._while_running(record)
                continue
            patience = begun + _BRIEF_SECONDS - time.monotonic()
            if self._last is None and where in _BRIEF and patience > 0:
                # Most starts pass through these in a moment that nobody needs to hear of.
                await self._wait(patience)
                continue
            self._report_standing(where, record)
            if where is Standing.GONE:
                return
            await self._while_waiting(where, record)

    async def _while_waiting(self, where: Standing, record: ReplicaRecord | None) -> None:
        with ExitStack() as stack:
            if record is not None and where in (Standing.LEAVING, Standing.PREPARING):
                stack.enter_context(on_exit(record.launcher_pid, record.launcher_ticks, self.wake))
            await self._wait(_LOOK_AGAIN_SECONDS)

    async def _while_running(self, record: ReplicaRecord) -> None:
        process = (record.launcher_pid, record.started_at)
        if process != self._process:
            self._sight.close()
            self._process, self._sight = process, self._sight_of(record.port or self._config.port)
        started = _time(record.started_at)
        with on_exit(record.launcher_pid, record.launcher_ticks, self.wake):
            while not self._changed.is_set():
                # News from before a change is told here, when it is known that the process still runs.
                if self._sight.is_news:
                    self._report(self._sight.seen(self._observed(ReplicaState.STARTED, record)))
                age = (datetime.now(UTC) - started).total_seconds()
                await self._sight.look(record, age_seconds=age)
                if not self._sight.is_news:
                    await self._wait(self._sight.pause(age))

    def _sight_of(self, port: int) -> Sight:
        return Sight(
            port,
            health=self._config.health,
            patience_seconds=self._config.timeout_seconds,
            ports=self._ports,
            callers=self._callers,
        )

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _report_standing(self, where: Standing, record: ReplicaRecord | None) -> None:
        detail = detail_of(where, record)
        if where is Standing.BLOCKED and record is not None:
            self._report(self._problem(record))
            return
        observed = replace(self._observed(state_of(where), record), detail=detail)
        if where in _NOT_ON_RECORD:
            observed = replace(observed, at=datetime.now(UTC))
        if where in (Standing.EXITED, Standing.KILLED):
            observed = replace(
                observed,
                exit_code=record.exit_code if record else None,
                signal=record.signal if record and where is Standing.EXITED else _KILLED,
                log_tail=tail(self._files.layout.replica_folder(self._program.name)),
            )
        self._report(observed)

    def _observed(self, state: ReplicaState, record: ReplicaRecord | None) -> ReplicaObserved:
        port = (record.port if record else None) or self._config.port
        return ReplicaObserved(
            ref=self._ref,
            endpoint=self._config.endpoint,
            state=state,
            at=_time(record.at) if record else datetime.now(UTC),
            address=f"{HOST}:{port}",
            started_at=_time(record.started_at) if record and record.started_at else None,
            pid=record.pid if record else None,
            traceparent=self._config.traceparent,
        )

    def _problem(self, record: ReplicaRecord) -> ImageProblem:
        return ImageProblem(
            ref=self._ref,
            endpoint=self._config.endpoint,
            reason=Reason(record.reason) if record.reason else Reason.IMAGE_UNUSABLE,
            message=record.detail or "The image cannot be used.",
            at=_time(record.at),
            traceparent=self._config.traceparent,
        )

    def _report(self, report: Report) -> None:
        """Publish what differs from the last report in more than its time."""
        if self._last is None or replace(report, at=self._last.at) != self._last:
            self._last = report
            self._publish(self._program, report)
        self.reported.set()


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.now(UTC)
