"""Runs the smoke tests of replicas that became ready, each process once; judges nothing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from slipway_chassis.errors import LeaseLostError, TransientError
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_chassis.telemetry import SpanKind, StatusCode, Telemetry, current_traceparent
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.replica import ReplicaState, SmokeResult
from slipway_contracts.version import SmokeTest
from slipway_contracts.workload import ReplicaRef, WorkloadRef
from slipway_engines.engine import ReplicaObserved

from slipway_monitor.observed_records import ObservedRecords
from slipway_monitor.smoke_request import smoke_result

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_AT_ONCE: Final = 64
_AT_ONCE_PER_WORKLOAD: Final = 4
_ENDED: Final = frozenset({ReplicaState.EXITED, ReplicaState.GONE, ReplicaState.BLOCKED})
_log: Final = get_logger()


@dataclass(frozen=True)
class _Terms:
    """How the replicas of one workload are tested."""

    test: SmokeTest | None
    timeout_seconds: float
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE_PER_WORKLOAD))


class SmokeTests:
    """The tests that run now, at most one per replica."""

    def __init__(self, *, log: EventLog, records: ObservedRecords, telemetry: Telemetry) -> None:
        self._event_log = log
        self._telemetry = telemetry
        self._records = records
        self._known: dict[WorkloadRef, _Terms] = {}
        # The time that a test takes must not be the time it waited for a thread, and replicas that leave
        # their tests without an answer must not keep those of other workloads waiting.
        self._threads = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="smoke-test")
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[ReplicaRef, tuple[object, asyncio.Task[None]]] = {}

    def consider(self, seen: ReplicaObserved) -> None:
        """Test a replica that is ready, unless this process of it was tested or is being tested."""
        process = (seen.pid, seen.started_at)
        if seen.state in _ENDED:
            self._end(seen.ref)
            self._known.pop(seen.ref.workload, None)
        if seen.state is not ReplicaState.READY:
            return
        known = self._records.known(seen.ref)
        if known is None or known.smoke is not None:
            return
        running = self._running.get(seen.ref)
        if running is not None and running[0] == process:
            return
        self._end(seen.ref)
        task = asyncio.create_task(self._test(seen), name=f"smoke test of {seen.ref.id}")
        task.add_done_callback(_report)
        self._running[seen.ref] = (process, task)

    async def close(self) -> None:
        """End all that run."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    def _end(self, ref: ReplicaRef) -> None:
        _, task = self._running.pop(ref, (None, None))
        if task is not None:
            task.cancel()

    async def _test(self, seen: ReplicaObserved) -> None:
        terms = await self._terms_of(seen.ref.workload)
        if terms.test is None or seen.address is None:
            return
        async with terms.turn, self._turn:
            result = await self._traced(seen, seen.address, terms.test, terms.timeout_seconds)
        try:
            await self._records.tested(seen, result)
        except LeaseLostError as error:
            _log.warning("smoke_test.not_recorded", replica=seen.ref.id, error=str(error))
            return
        _log.info(
            "smoke_test.passed" if result.passed else "smoke_test.failed",
            workload=seen.ref.workload.id,
            replica=seen.ref.id,
            message=result.message,
        )

    async def _traced(
        self, seen: ReplicaObserved, address: str, test: SmokeTest, timeout_seconds: float
    ) -> SmokeResult:
        """Ask inside a span of the trace that wanted the replica; the request continues it."""
        host, _, port = address.rpartition(":")
        attributes: dict[str, str | int] = {
            "http.request.method": test.method,
            "server.address": host,
            "server.port": int(port),
            "slipway.workload.id": seen.ref.workload.id,
            "slipway.replica.id": seen.ref.id,
        }
        with self._telemetry.span(
            "smoke test", kind=SpanKind.CLIENT, parent=seen.traceparent, attributes=attributes
        ) as span:
            result = await smoke_result(
                address,
                test,
                timeout_seconds=timeout_seconds,
                threads=self._threads,
                traceparent=current_traceparent(),
            )
            if result.status is not None:
                span.set_attribute("http.response.status_code", result.status)
            if not result.passed:
                span.set_status(StatusCode.ERROR, result.message)
        return result

    async def _terms_of(self, workload: WorkloadRef) -> _Terms:
        """Read what a workload's test is; waits until the log says what the workload is."""
        pause = _FIRST_PAUSE_SECONDS
        while workload not in self._known:
            try:
                stored = await self._event_log.last(subjects.desired(workload.group, workload.deployment))
            except TransientError:
                stored = None
            desired = stored.readable if stored is not None else None
            found = desired.workload(workload.id) if isinstance(desired, Desired) else None
            if found is not None:
                self._known[workload] = _Terms(found.workload.smoke_test, found.workload.timeout_seconds)
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return self._known[workload]


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("smoke_test.not_run", task=task.get_name(), error=str(error))
