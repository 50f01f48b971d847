"""The one interface between the platform and whatever runs its replicas.

An engine takes idempotent wishes and reports what it sees; it judges nothing and keeps no state of its own.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NewType, Protocol

from slipway_contracts.failure import Reason
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import ReplicaRef, Workload, WorkloadRef

Position = NewType("Position", str)
"""Where a reader of a replica's log stands; opaque, and only good for the same replica."""

START: Final = Position("")
"""Before the oldest line that is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaObserved:
    """One replica as it was seen; the last one of a replica is its state."""

    ref: ReplicaRef
    endpoint: str
    state: ReplicaState
    at: datetime
    address: str | None = None
    """`host:port` where it answers or is expected to; None before a port is known."""
    started_at: datetime | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    log_tail: tuple[str, ...] = ()
    listening: tuple[int, ...] = ()
    """TCP ports on which its processes listen while it is not ready."""
    detail: str | None = None
    silent: bool = False
    """Started earlier, it takes connections, but has not answered this observer: it may be busy, or hang."""
    traceparent: str | None = None
    """As in the workload."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageProblem:
    """A replica cannot start because of its image; `detail` of a blocked replica in the log."""

    ref: ReplicaRef
    endpoint: str
    reason: Reason
    message: str
    at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadUnknown:
    """Something carries this installation's id, but not what it belongs to. Nothing removes it by itself."""

    id: str
    detail: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetObserved:
    """Whether the target takes wishes; what was seen of its replicas stays true meanwhile."""

    reachable: bool
    at: datetime
    detail: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SnapshotComplete:
    """Everything that existed when the observation began has been reported; changes follow."""

    at: datetime


Observation = ReplicaObserved | ImageProblem | WorkloadUnknown | TargetObserved | SnapshotComplete


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """One line that a replica wrote; `position` is where the next line begins."""

    at: datetime
    stream: str
    """`stdout`, `stderr`, or `slipway` for a remark of the engine."""
    text: str
    position: Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What a target has in all, and how many replicas it holds for this installation."""

    cpu: float
    memory_bytes: int
    gpu: int
    replicas: int
    allocatable_cpu: float | None = None
    """Cores that replicas may ask for in all; None: as many as it has."""
    allocatable_memory_bytes: int | None = None


class Engine(Protocol):
    """Starts, stops and observes replicas on one target. Several engines may work on one target at once."""

    async def apply(self, workload: Workload, secrets: Mapping[str, str] | None = None) -> None:
        """Wish that exactly this workload exists; idempotent, returns when the target took the wish.

        The process of a slot's attempt is started once: one that exited is started again only by a higher
        attempt. Replicas of other attempts and of surplus slots are ended, and replicas that were told other
        secrets are replaced. A replica whose secrets the target does not hold waits until a wish brings them.

        Args:
            workload: the wish.
            secrets: the values of `workload.secrets` by variable; None where the caller has none to tell,
                which leaves what the target holds. They reach no disk.

        Raises:
            EngineUnavailableError: the target did not take the wish; repeat it.
        """
        ...

    async def remove(self, workload: WorkloadRef) -> None:
        """Wish that the workload ends, gracefully and in bounded time; idempotent, does not wait for the end.

        Raises:
            EngineUnavailableError: the target did not take the wish; repeat it.
        """
        ...

    def observe(self) -> AsyncIterator[Observation]:
        """Report everything there is, then `SnapshotComplete`, then changes, for ever."""
        ...

    def logs(self, replica: ReplicaRef, since: Position) -> AsyncGenerator[LogLine]:
        """Report the lines after `since` and follow; ends when the replica ended and all was read.

        To close it ends the following.
        """
        ...

    async def capacity(self) -> Capacity:
        """Say what the target has."""
        ...
