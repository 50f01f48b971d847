"""One observation of an engine folder: finds the replicas there are, and gathers what is seen of each."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any, Final

from slipway_contracts.replica import ReplicaState

from slipway_engines.engine import (
    ImageProblem,
    Observation,
    ReplicaObserved,
    SnapshotComplete,
    WorkloadUnknown,
)
from slipway_engines.supervisor.callers import Callers
from slipway_engines.supervisor.file_watch import IN_DELETE, IN_MOVED_TO, FileWatch
from slipway_engines.supervisor.listeners import ListeningPorts
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.replica_watch import ReplicaWatch
from slipway_engines.supervisor.rpc import SupervisorClient
from slipway_engines.supervisor.standing import Standing, standing
from slipway_engines.supervisor.supervisord_watch import SupervisordWatch

_RESCAN_SECONDS: Final = 30.0
_RESCAN_OFTEN_SECONDS: Final = 0.25
_SNAPSHOT_SECONDS: Final = 6.0
_RECORD_SUFFIXES: Final = (".conf", ".json")


class Observer:
    """Everything that is seen, in one queue."""

    def __init__(self, *, files: ProgramFiles, supervisor: SupervisorClient, watch: FileWatch) -> None:
        self._files = files
        self._watch = watch
        self._queue: asyncio.Queue[Observation | BaseException] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._replicas: dict[str, ReplicaWatch] = {}
        self._starts: dict[tuple[str, str], set[Program]] = {}
        self._unreadable: set[str] = set()
        self._ports = ListeningPorts()
        self._callers = Callers()
        self._supervisord = SupervisordWatch(
            supervisor=supervisor, files=files, publish=self._queue.put_nowait
        )

    async def observations(self) -> AsyncIterator[Observation]:
        """Yield everything there is, then `SnapshotComplete`, then changes, for ever."""
        self._files.make_folders()
        with ExitStack() as stack:
            stack.callback(self._stop)
            told = [
                stack.enter_context(self._watch.watching(folder, IN_MOVED_TO | IN_DELETE, self._changed))
                for folder in (self._files.layout.programs, self._files.layout.records)
            ]
            self._scan()
            self._begin(self._supervisord.run())
            await self._first_reports()
            while not self._queue.empty():
                yield _or_raise(self._queue.get_nowait())
            yield SnapshotComplete(at=datetime.now(UTC))
            self._begin(self._rescan(_RESCAN_SECONDS if all(told) else _RESCAN_OFTEN_SECONDS))
            while True:
                yield _or_raise(await self._queue.get())

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _first_reports(self) -> None:
        """Wait until each replica was looked at; one that hangs must not hold the others up for long."""
        waits = [each.reported.wait() for each in self._replicas.values()]
        waits.append(self._supervisord.reported.wait())
        with suppress(TimeoutError):
            async with asyncio.timeout(_SNAPSHOT_SECONDS):
                await asyncio.gather(*waits)

    def _changed(self, name: str) -> None:
        """Take a hint of the file system: the program of this name, or any."""
        program = name
        for suffix in _RECORD_SUFFIXES:
            program = program.removesuffix(suffix)
        if program in self._replicas:
            self._replicas[program].wake()
        elif not name or name.endswith(_RECORD_SUFFIXES):
            self._scan()

    async def _rescan(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._scan()
            for each in self._replicas.values():
                each.wake()

    def _scan(self) -> None:
        """Begin to watch what is not watched yet; what has ended without a wish for it does not exist."""
        for program in self._files.known():
            if program.name in self._replicas or program.name in self._unreadable:
                continue
            where = standing(self._files.record(program), wished=self._files.is_wished(program))
            if where is not Standing.GONE:
                self._watch_replica(program)

    def _watch_replica(self, program: Program) -> None:
        config = self._files.config(program)
        if config is None:
            self._unreadable.add(program.name)
            detail = "Its launch.json cannot be read."
            self._queue.put_nowait(WorkloadUnknown(id=program.name, detail=detail, at=datetime.now(UTC)))
            return
        self._starts.setdefault((program.workload, program.replica), set()).add(program)
        watch = ReplicaWatch(
            program=program,
            config=config,
            files=self._files,
            ports=self._ports,
            callers=self._callers,
            publish=self._publish,
        )
        self._replicas[program.name] = watch
        self._begin(self._run(program, watch))

    async def _run(self, program: Program, watch: ReplicaWatch) -> None:
        await watch.run()
        del self._replicas[program.name]
        starts = self._starts[program.workload, program.replica]
        starts.remove(program)
        if starts:
            self._replicas[max(starts).name].tell_again()
        else:
            del self._starts[program.workload, program.replica]

    def _publish(self, program: Program, report: ReplicaObserved | ImageProblem) -> None:
        """Report a replica as its newest start, which is not gone while an earlier one still ends."""
        starts = self._starts[program.workload, program.replica]
        is_gone = isinstance(report, ReplicaObserved) and report.state is ReplicaState.GONE
        if program == max(starts) and not (is_gone and len(starts) > 1):
            self._queue.put_nowait(report)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._queue.put_nowait(error)


def _or_raise(item: Observation | BaseException) -> Observation:
    if isinstance(item, BaseException):
        raise item
    return item
