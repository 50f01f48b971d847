"""What probing shows of one running process: ready or not, where it listens, and why it is not ready."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from slipway_contracts.replica import ReplicaState

from slipway_engines.engine import ReplicaObserved
from slipway_engines.supervisor import probes
from slipway_engines.supervisor.callers import Callers
from slipway_engines.supervisor.inquiry import Inquiry
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord
from slipway_engines.supervisor.listeners import ListeningPorts, holds_port, listening_ports
from slipway_engines.supervisor.probes import Outcome, Probe
from slipway_engines.supervisor.readiness import Readiness
from slipway_engines.supervisor.silence import UNUSUAL_SECONDS, Verdict, verdict

_FIRST_SCAN_SECONDS: Final = 0.3
_SCAN_SECONDS: Final = 1.0
_TRUSTED_SECONDS: Final = 30.0
_YOUNG_SECONDS: Final = 5.0


class Sight:
    """The view of one process that should listen on `port`.

    One that was ready is asked one question at a time and given time to answer it: callers that give up and
    ask again would fill the queue of a server that is merely busy. One without a health path is asked only
    when a caller of it waits for unusually long.
    """

    def __init__(
        self,
        port: int,
        *,
        health: str | None,
        patience_seconds: float,
        ports: ListeningPorts,
        callers: Callers,
    ) -> None:
        self._port = port
        self._health = health
        self._patience = patience_seconds
        self._ports = ports
        self._callers = callers
        self._inquiry = Inquiry(self._ask)
        self._trusted_until = 0.0
        self._hang: str | None = None
        self._readiness = Readiness()
        self._was_ready = False
        self._found_old: bool | None = None
        self._silent = False
        self._listening: tuple[int, ...] = ()
        self._scan_at = _FIRST_SCAN_SECONDS
        self._told: tuple[object, ...] | None = None

    @property
    def is_news(self) -> bool:
        """Whether there is something to tell that was not told yet."""
        return (self._readiness.settled or self._silent) and self._told != self._facts()

    def pause(self, age_seconds: float) -> float:
        """Return the seconds until the next look at a process of this age."""
        return self._readiness.pause(age_seconds)

    def close(self) -> None:
        """Wait for no answer any more."""
        self._inquiry.close()

    async def look(self, record: ReplicaRecord, *, age_seconds: float) -> None:
        """Probe once; now and then, while it is not ready, find out on which ports it listens."""
        if self._found_old is None:
            self._found_old = age_seconds > _YOUNG_SECONDS
        probe = await self._probe(record)
        self._silent = probe is None and not self._readiness.ready
        if probe is not None:
            self._readiness.take(probe)
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
        return replace(observed, state=state, detail=detail, listening=self._listening, silent=self._silent)

    async def _probe(self, record: ReplicaRecord) -> Probe | None:
        if await self._must_be_asked():
            probe = await self._inquire()
        elif self._health is None and self._readiness.ready:
            # No connection: servers need not be bothered every second by callers that say nothing.
            probe = Probe(Outcome.ANSWERED) if self._port in self._ports else probes.refused(self._port)
        elif self._health is None:
            probe = probes.connect(self._port)
        else:
            probe = await probes.get(self._port, self._health)
        if probe is None or probe.outcome is not Outcome.ANSWERED or self._readiness.ready:
            return probe
        return self._by_its_holder(record, probe)

    def _by_its_holder(self, record: ReplicaRecord, probe: Probe) -> Probe:
        """Doubt the answer of a process that has not been seen to listen there itself."""
        if record.pid is None:
            return probe
        match holds_port(self._port, pid=record.pid, ancestor=record.launcher_pid):
            case True:
                return probe
            case False:
                return Probe(Outcome.FOREIGN, f"Another process listens on port {self._port}.")
            case None:
                return probes.refused(self._port)

    async def _must_be_asked(self) -> bool:
        if self._inquiry.is_open:
            return True
        if self._health is not None:
            # Who begins to watch a process that is no longer young cannot know whether it was ready.
            return self._was_ready or bool(self._found_old)
        if not self._readiness.ready or time.monotonic() < self._trusted_until:
            return False
        return (await self._callers.waiting(self._port)).seconds >= UNUSUAL_SECONDS

    async def _inquire(self) -> Probe | None:
        """Go on waiting for an answer; None while it is not known what the silence means."""
        answer = await self._inquiry.answer(probes.TIMEOUT_SECONDS)
        if answer is not None:
            self._hang = None
            self._trusted_until = time.monotonic() + _TRUSTED_SECONDS
            return answer
        silent = self._inquiry.silent_seconds
        waiting = await self._callers.waiting(self._port, but=self._inquiry.ports)
        match verdict(silent, waiting, self._patience):
            case Verdict.HANGS:
                what = f"GET {self._health}" if self._health else "any request"
                # Said once: a number that grew would be news at each look.
                self._hang = self._hang or (
                    f"It accepts connections, but has not answered {what} for {silent[0]:.0f} s."
                )
            case Verdict.ASK_AGAIN:
                self._inquiry.ask()
            case Verdict.WAIT:
                pass
        return Probe(Outcome.SILENT, self._hang) if self._hang else None

    async def _ask(self, own_ports: set[int]) -> Probe:
        if self._health is None:
            return await probes.ping_patiently(self._port, own_ports)
        return await probes.get_patiently(self._port, self._health, own_ports)

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
        return (*self._judged(), self._listening, self._silent)
