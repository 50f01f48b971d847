"""What probing shows of one running process: ready or not, where it listens, and why it is not ready."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from slipway_contracts.replica import ReplicaState

from slipway_engines.engine import ReplicaObserved
from slipway_engines.supervisor import probes
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord
from slipway_engines.supervisor.listeners import ListeningPorts, holds_port, listening_ports
from slipway_engines.supervisor.probes import Outcome, Probe
from slipway_engines.supervisor.readiness import Readiness

_FIRST_SCAN_SECONDS: Final = 0.3
_SCAN_SECONDS: Final = 1.0


class Sight:
    """The view of one process that should listen on `port`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._readiness = Readiness()
        self._was_ready = False
        self._listening: tuple[int, ...] = ()
        self._scan_at = _FIRST_SCAN_SECONDS
        self._told: tuple[object, ...] | None = None

    @property
    def is_news(self) -> bool:
        """Whether there is something to tell that was not told yet."""
        return self._readiness.settled and self._told != self._facts()

    def pause(self, age_seconds: float) -> float:
        """Return the seconds until the next look at a process of this age."""
        return self._readiness.pause(age_seconds)

    async def look(
        self, record: ReplicaRecord, *, health: str | None, age_seconds: float, ports: ListeningPorts
    ) -> None:
        """Probe once; now and then, while it is not ready, find out on which ports it listens."""
        self._readiness.take(await self._probe(record, health, ports))
        if self._readiness.ready:
            self._was_ready, self._listening = True, ()
        elif age_seconds >= self._scan_at:
            self._scan_at = age_seconds + _SCAN_SECONDS
            self._listening = tuple(sorted(listening_ports(record.launcher_pid)))

    def seen(self, observed: ReplicaObserved) -> ReplicaObserved:
        """Add what was seen to what is known of the process, and count it as told."""
        self._told = self._facts()
        state, detail = self._judged()
        if state is not ReplicaState.STARTED:
            observed = replace(observed, at=datetime.now(UTC))
        return replace(observed, state=state, detail=detail, listening=self._listening)

    async def _probe(self, record: ReplicaRecord, health: str | None, ports: ListeningPorts) -> Probe:
        if health is None and self._readiness.ready:
            # No connection: servers need not be bothered every second by callers that say nothing.
            return Probe(Outcome.ANSWERED) if self._port in ports else probes.refused(self._port)
        probe = probes.connect(self._port) if health is None else await probes.get(self._port, health)
        if probe.outcome is not Outcome.ANSWERED or self._readiness.ready or record.pid is None:
            return probe
        match holds_port(self._port, pid=record.pid, ancestor=record.launcher_pid):
            case True:
                return probe
            case False:
                return Probe(Outcome.FOREIGN, f"Another process listens on port {self._port}.")
            case None:
                return probes.refused(self._port)

    def _judged(self) -> tuple[ReplicaState, str | None]:
        readiness = self._readiness
        if readiness.ready:
            return ReplicaState.READY, None
        if self._listening and self._port not in self._listening:
            found = ", ".join(map(str, self._listening))
            return ReplicaState.UNREADY, f"It listens on port {found}, but PORT is {self._port}."
        if self._was_ready or readiness.hangs:
            return ReplicaState.UNREADY, readiness.detail
        return ReplicaState.STARTED, None

    def _facts(self) -> tuple[object, ...]:
        return (*self._judged(), self._listening)
