"""How the platform does: each process with state, pid, uptime, memory, and whether it is ready or why not."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final

from slipway_standalone import former, memory, readiness
from slipway_standalone.folder import StateFolder
from slipway_standalone.plan import SERVERS
from slipway_standalone.replica_names import ReplicaName, replica_names
from slipway_standalone.supervision import ProcessState, Supervisor

_SERVICE: Final = "services:"


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One line of `slipway status`."""

    name: str
    """Of a replica the program's, which holds hashes; `replica` says who it is."""
    state: str
    pid: int | None
    uptime_s: int | None
    memory_mb: float | None
    """Proportional set size of the process and its children."""
    ready: bool | None
    """None for replicas, of which the deployments tell."""
    reason: str | None
    replica: ReplicaName | None = None


async def processes(folder: StateFolder, supervisor: Supervisor) -> list[ProcessStatus]:
    """All processes of the platform, the replicas last."""
    found = sorted(await asyncio.to_thread(supervisor.processes), key=_order)
    statuses = await asyncio.gather(*(_status(folder, process) for process in found))
    names = await replica_names(folder, [each.name for each in found if not _is_own(each)])
    told = [replace(each, replica=names.get(each.name)) for each in statuses]
    return [*_supervisor(folder), *sorted(told, key=lambda each: each.replica.spoken if each.replica else "")]


def is_all_ready(found: list[ProcessStatus]) -> bool:
    """Whether every server and service is ready."""
    return all(process.ready is not False for process in found)


def _supervisor(folder: StateFolder) -> list[ProcessStatus]:
    """The one that answered for the others, so it is ready; it does not count itself among them."""
    own = former.supervisor(folder.records)
    if own is None:
        return []
    return [
        ProcessStatus(
            name=own.name,
            state="running",
            pid=own.pid,
            uptime_s=None,
            memory_mb=_megabytes(memory.own_bytes(own.pid)),
            ready=True,
            reason=None,
        )
    ]


async def _status(folder: StateFolder, process: ProcessState) -> ProcessStatus:
    reason = await _reason(folder, process)
    size = memory.family_bytes(process.pid) if process.pid else None
    return ProcessStatus(
        name=process.name.removeprefix(_SERVICE),
        state=process.state.lower(),
        pid=process.pid or None,
        uptime_s=int(time.time()) - process.started_at if process.is_up else None,
        memory_mb=_megabytes(size),
        ready=reason is None if _is_own(process) else None,
        reason=reason,
    )


async def _reason(folder: StateFolder, process: ProcessState) -> str | None:
    if not _is_own(process):
        return process.reason or None
    if not process.is_up:
        return process.reason or "does not run"
    return await readiness.check_of(folder.load(), process.name.removeprefix(_SERVICE))()


def _megabytes(size: int | None) -> float | None:
    return None if size is None else round(size / 1e6, 1)


def _is_own(process: ProcessState) -> bool:
    return process.name in SERVERS or process.name.startswith(_SERVICE)


def _order(process: ProcessState) -> tuple[bool, bool, str]:
    return (not _is_own(process), process.name not in SERVERS, process.name)
