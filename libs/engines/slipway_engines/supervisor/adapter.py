"""The engine for this machine: takes wishes as files, and tells supervisord to make them so."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final

from slipway_chassis.blobs import FilesystemBlobStore
from slipway_contracts.workload import ReplicaRef, Workload, WorkloadRef

from slipway_engines.engine import Capacity, LogLine, Observation, Position
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor import rpc
from slipway_engines.supervisor.file_watch import FileWatch
from slipway_engines.supervisor.housekeeping import tidy
from slipway_engines.supervisor.image_plan import plan_image
from slipway_engines.supervisor.launcher.replica_record import STOPPED
from slipway_engines.supervisor.log_follower import follow
from slipway_engines.supervisor.machine import capacity_of
from slipway_engines.supervisor.observer import Observer
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.rpc import Call, Fault, SupervisorClient
from slipway_engines.supervisor.settings import SupervisorSettings

_NOT_RUNNING: Final = frozenset({"STOPPED", "STOPPING", "EXITED", "FATAL"})


class SupervisorEngine:
    """Runs each replica as a program of supervisord; several of these may work on one folder at once."""

    def __init__(self, *, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._files = ProgramFiles(settings)
        self._blobs = FilesystemBlobStore(settings.blob_root)
        self._supervisor = SupervisorClient(
            socket=settings.socket, username=settings.username, password=settings.password
        )
        self._watch = FileWatch()

    async def apply(self, workload: Workload, secrets: Mapping[str, str] | None = None) -> None:
        """Wish that exactly this workload exists; see `Engine.apply`."""
        wanted = set(workload.replica_ids)
        async with self._files.lock():
            existing = [each for each in self._files.wished() if each.workload == workload.id]
            kept = [
                each
                for each in existing
                if each.replica in wanted
                and self._files.is_whole(each)
                and not self._files.was_told_otherwise(each, secrets)
            ]
            for program in existing:
                if program not in kept:
                    self._files.withdraw(program)
            for program in kept:
                self._files.tell(program, workload, secrets)
            missing = sorted(wanted - {each.replica for each in kept})
            new = await self._create(workload, missing, secrets) if missing else []
        known = await self._known(kept)
        lost = [each for each in kept if each not in known]
        if new or lost:
            await self._add([*lost, *new])
        await self._start_again(known)
        if await self._end_withdrawn():
            await tidy(self._files, self._settings)

    async def remove(self, workload: WorkloadRef) -> None:
        """Wish that the workload ends; see `Engine.remove`."""
        async with self._files.lock():
            for program in self._files.wished():
                if program.workload == workload.id:
                    self._files.withdraw(program)
        await self._end_withdrawn()
        await tidy(self._files, self._settings)

    def observe(self) -> AsyncIterator[Observation]:
        """Report everything there is, then changes; see `Engine.observe`."""
        return Observer(files=self._files, supervisor=self._supervisor, watch=self._watch).observations()

    def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        """Report and follow the lines of a replica; see `Engine.logs`."""
        return follow(self._files, self._watch, replica, since)

    async def capacity(self) -> Capacity:
        """Say what this machine has; limits of its container count."""
        return capacity_of(
            replicas=len(self._files.wished()),
            cpu_overcommit=self._settings.cpu_overcommit,
            memory_overcommit=self._settings.memory_overcommit,
        )

    async def _create(
        self, workload: Workload, replicas: Sequence[str], secrets: Mapping[str, str] | None
    ) -> list[Program]:
        """Write down wishes in a thread; who is cancelled meanwhile keeps the lock until all is written."""
        image = plan_image(workload.image, self._blobs.path_of)
        creating = asyncio.ensure_future(
            asyncio.to_thread(self._files.create, workload, replicas, image, secrets)
        )
        try:
            return await asyncio.shield(creating)
        finally:
            await asyncio.wait({creating})

    async def _known(self, programs: Sequence[Program]) -> dict[Program, str]:
        """Return the state of those that supervisord knows, by its own names."""
        answers: list[Any] = await self._supervisor.calls(
            [Call("getProcessInfo", (each.name,)) for each in programs]
        )
        return {
            program: str(answer["statename"])
            for program, answer in zip(programs, answers, strict=True)
            if not isinstance(answer, Fault)
        }

    async def _start_again(self, states: Mapping[Program, str]) -> None:
        """Start what was stopped by hand, and what was killed before it could write down how far it was.

        Raises:
            EngineUnavailableError: one has ended, and supervisord has yet to notice that it stopped it.
        """
        ended = {
            program: state
            for program, state in states.items()
            if state in _NOT_RUNNING and self._may_start_again(program)
        }
        idle = [program for program, state in ended.items() if state != "STOPPING"]
        await self._supervisor.calls([Call("startProcess", (each.name, False)) for each in idle])
        if len(idle) < len(ended):
            raise EngineUnavailableError("supervisord still stops a replica that is to be started again")

    def _may_start_again(self, program: Program) -> bool:
        record = self._files.record(program)
        return record is None or record.status == STOPPED

    async def _add(self, programs: Sequence[Program]) -> None:
        """Make supervisord read the files and start what it did not know."""
        # One batch: between reading and adding nobody may tell supervisord to end one of these.
        reread, *answers = await self._supervisor.calls(
            [Call("reloadConfig"), *(Call("addProcessGroup", (each.name,)) for each in programs)]
        )
        if isinstance(reread, Fault):
            raise EngineUnavailableError(f"supervisord cannot read its configuration: {reread.text}")
        for program, answer in zip(programs, answers, strict=True):
            if not isinstance(answer, Fault) or answer.code == rpc.ALREADY_ADDED:
                continue
            # A wish that was taken back meanwhile is unknown to supervisord, and rightly so.
            if answer.code != rpc.BAD_NAME or self._files.is_wished(program):
                raise EngineUnavailableError(
                    f"supervisord refuses {program.name}: {answer.text}; does its [include] name "
                    f"{self._files.layout.programs}/*.conf?"
                )

    async def _end_withdrawn(self) -> bool:
        """End what nobody wishes for, also what a crash left half done; say whether there was any."""
        async with self._files.lock():
            # Whoever creates a replica writes its wish last: without the lock it would look withdrawn.
            withdrawn = self._files.withdrawn()
        await self._supervisor.calls([Call("stopProcess", (each.name, False)) for each in withdrawn])
        ended = [each for each in withdrawn if self._files.has_ended(each)]
        answers = await self._supervisor.calls([Call("removeProcessGroup", (each.name,)) for each in ended])
        for program, answer in zip(ended, answers, strict=True):
            if not isinstance(answer, Fault) or answer.code == rpc.BAD_NAME:
                self._files.dismiss(program)
        return bool(withdrawn)
