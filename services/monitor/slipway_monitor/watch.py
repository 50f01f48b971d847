"""Watches one target, under its lease: facts of its replicas and their log lines. It judges nothing."""

import asyncio
from dataclasses import replace
from typing import Final

from slipway_chassis.errors import LeaseLostError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_chassis.telemetry import Telemetry
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import ReplicaRef
from slipway_engines.engine import (
    Engine,
    ImageProblem,
    ReplicaObserved,
    SnapshotComplete,
    TargetObserved,
    WorkloadUnknown,
)

from slipway_monitor.observed_records import SOURCE, ObservedRecords
from slipway_monitor.replica_logs import ReplicaLogs
from slipway_monitor.smoke_tests import SmokeTests

_BELIEVED_SECONDS: Final = 5.0
_log: Final = get_logger()


class Watch:
    """One term of watching a target, from taking its lease to losing it."""

    def __init__(
        self,
        *,
        log: EventLog,
        engine: Engine,
        logs: ReplicaLogs,
        target: str,
        kind: str,
        epoch: int,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._event_log = log
        self._engine = engine
        self._logs = logs
        self._target = target
        self._kind = kind
        self._epoch = epoch
        self._records = ObservedRecords(log=log, target=target, epoch=epoch)
        self._telemetry = telemetry or Telemetry()
        self._smoke_tests = SmokeTests(log=log, records=self._records, telemetry=self._telemetry)
        self._seen: set[ReplicaRef] = set()
        self._doubted: dict[ReplicaRef, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            LeaseLostError: another monitor watches this target.
        """
        try:
            await self._announce()
            await self._records.load()
            await self._follow()
        finally:
            for task in self._doubted.values():
                task.cancel()
            await self._smoke_tests.close()

    async def _follow(self) -> None:
        async for observation in self._engine.observe():
            match observation:
                case ReplicaObserved():
                    await self._replica(observation)
                case ImageProblem():
                    await self._blocked(observation)
                case SnapshotComplete():
                    await self._records.forget_unseen(self._seen)
                case WorkloadUnknown():
                    _log.warning(
                        "workload.unknown",
                        target=self._target,
                        workload=observation.id,
                        detail=observation.detail,
                    )
                case TargetObserved():
                    _log.info("target.observed", reachable=observation.reachable, detail=observation.detail)

    async def _replica(self, observed: ReplicaObserved) -> None:
        seen = self._inherited(observed)
        before = self._records.known(seen.ref)
        news = await self._records.record(seen)
        if before is None or before.state is ReplicaState.STARTED:
            self._trace_start(seen)
        self._smoke_tests.consider(seen)
        if seen.state is ReplicaState.GONE:
            self._seen.discard(seen.ref)
            self._logs.forget(seen.ref)
        else:
            self._seen.add(seen.ref)
            self._logs.follow(seen.ref)
        if news:
            _tell(seen.ref, seen.state)

    async def _blocked(self, seen: ImageProblem) -> None:
        """Note a replica that has no process: there is nothing to test and no log."""
        self._doubted.pop(seen.ref, None)
        news = await self._records.record(seen)
        self._seen.add(seen.ref)
        if news:
            _tell(seen.ref, ReplicaState.BLOCKED)

    def _trace_start(self, seen: ReplicaObserved) -> None:
        """Tell how long a process took to its first healthy answer, in the trace of what wanted it."""
        if seen.state is ReplicaState.READY and seen.started_at is not None:
            attributes = {"slipway.workload.id": seen.ref.workload.id, "slipway.replica.id": seen.ref.id}
            with self._telemetry.span(
                "start replica", parent=seen.traceparent, began=seen.started_at, attributes=attributes
            ):
                pass

    def _inherited(self, seen: ReplicaObserved) -> ReplicaObserved:
        """Believe the monitor before that a process is ready, until it was probed or ought to have been.

        One that is silent may be busy with a request: the engine says when that has lasted too long.
        """
        self._doubted.pop(seen.ref, None)
        known = self._records.known(seen.ref)
        if known is None or seen.state is not ReplicaState.STARTED or known.state is not ReplicaState.READY:
            return seen
        if (known.pid, known.started_at) != (seen.pid, seen.started_at):
            return seen
        if not seen.silent:
            self._doubted[seen.ref] = asyncio.create_task(self._believe_no_more(seen))
        return replace(seen, state=ReplicaState.READY)

    async def _believe_no_more(self, seen: ReplicaObserved) -> None:
        await asyncio.sleep(_BELIEVED_SECONDS)
        if self._doubted.get(seen.ref) is not asyncio.current_task():
            return
        try:
            await self._records.record(replace(seen, state=ReplicaState.UNREADY))
        except LeaseLostError as error:
            _log.warning("replica.still_believed", replica=seen.ref.id, error=str(error))

    async def _announce(self) -> None:
        capacity = await self._engine.capacity()
        event = TargetAnnounced(
            target=self._target,
            engine=self._kind,
            epoch=self._epoch,
            cpu=capacity.cpu,
            memory_bytes=capacity.memory_bytes,
            gpu=capacity.gpu,
            allocatable_cpu=capacity.allocatable_cpu,
            allocatable_memory_bytes=capacity.allocatable_memory_bytes,
        )
        envelope = Envelope(
            id=derived_id("target", self._target, self._epoch),
            type=event.type,
            source=SOURCE,
            subject=self._target,
            time=now(),
        )
        await self._event_log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))


def _tell(replica: ReplicaRef, state: ReplicaState) -> None:
    _log.info(f"replica.{state}", workload=replica.workload.id, replica=replica.id)
