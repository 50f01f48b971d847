"""The observed records of one target: the last fact per replica, written under one lease epoch.

Every write expects the sequence of the record that it replaces, so that a monitor whose lease went to another
cannot write over its successor.
"""

import asyncio
from typing import Final

from slipway_chassis.errors import ConflictError, LeaseLostError, TransientError
from slipway_chassis.event_log import EventLog, Expect, Outgoing
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact, ReplicaState, SmokeResult
from slipway_contracts.workload import ReplicaRef
from slipway_engines.engine import ImageProblem, ReplicaObserved

from slipway_monitor.facts import fact_of, gone, is_same_process, smoke_tested

SOURCE: Final = "/slipway/monitor"
_PAUSE_SECONDS: Final = 0.2
_ALIVE: Final = frozenset({ReplicaState.STARTED, ReplicaState.READY, ReplicaState.UNREADY})
_log: Final = get_logger()


class ObservedRecords:
    """Turns observations into facts, and facts into records of the log."""

    def __init__(self, *, log: EventLog, target: str, epoch: int) -> None:
        self._event_log = log
        self._target = target
        self._epoch = epoch
        self._known: dict[tuple[str, str], tuple[ReplicaFact, int]] = {}
        # A fact is made of the one before it: who writes must know that nobody writes in between.
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the records that earlier monitors of this target left."""
        for stored in await self._event_log.last_per_subject(subjects.ALL_REPLICAS):
            fact = stored.message
            if isinstance(fact, ReplicaFact) and fact.target == self._target:
                self._known[(fact.workload, fact.replica)] = (fact, stored.sequence)

    async def record(self, seen: ReplicaObserved | ImageProblem) -> bool:
        """Write what was seen, if it is news; return whether it was.

        Raises:
            LeaseLostError: another monitor wrote this record under a later epoch.
        """
        async with self._writing:
            fact, _ = self._last(seen.ref)
            news = fact_of(seen, fact, target=self._target, epoch=self._epoch)
            if news is None:
                return False
            await self._write(news, seen.traceparent)
            return True

    async def tested(self, seen: ReplicaObserved, smoke: SmokeResult) -> None:
        """Write what a smoke test showed of a process, unless that has ended meanwhile.

        Raises:
            LeaseLostError: another monitor wrote this record under a later epoch.
        """
        async with self._writing:
            fact, _ = self._last(seen.ref)
            if fact is not None and fact.state in _ALIVE and is_same_process(seen, fact):
                await self._write(smoke_tested(fact, smoke, epoch=self._epoch, at=now()), seen.traceparent)

    async def forget_unseen(self, seen: set[ReplicaRef]) -> None:
        """Write that every replica is gone which is on record but was not seen."""
        present = {(ref.workload.id, ref.id) for ref in seen}
        async with self._writing:
            for key, (fact, _) in list(self._known.items()):
                if key not in present and fact.state is not ReplicaState.GONE:
                    await self._write(gone(fact, epoch=self._epoch, at=now()), None)

    def known(self, ref: ReplicaRef) -> ReplicaFact | None:
        """Return the record of this replica."""
        return self._last(ref)[0]

    def _last(self, ref: ReplicaRef) -> tuple[ReplicaFact | None, int]:
        return self._known.get((ref.workload.id, ref.id), (None, 0))

    async def _write(self, fact: ReplicaFact, trace: str | None) -> None:
        """Write until it is written: what comes after it must not overtake it."""
        while True:
            try:
                fact = await self._attempt(fact, trace)
            except ConflictError:
                continue
            except TransientError as error:
                _log.info("fact.comes_later", replica=fact.replica, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    async def _attempt(self, fact: ReplicaFact, trace: str | None) -> ReplicaFact:
        _, sequence = self._known.get((fact.workload, fact.replica), (None, 0))
        try:
            receipt = await self._event_log.publish(_outgoing(fact, sequence, trace))
        except ConflictError:
            fact = await self._reloaded(fact)
            _, sequence = self._known.get((fact.workload, fact.replica), (None, 0))
            receipt = await self._event_log.publish(_outgoing(fact, sequence, trace))
        self._known[(fact.workload, fact.replica)] = (fact, receipt.sequence)
        return fact

    async def _reloaded(self, fact: ReplicaFact) -> ReplicaFact:
        """Read the record that stands in the way; go on behind it, if it is ours or older."""
        stored = await self._event_log.last(
            subjects.replica(fact.group, fact.deployment, fact.workload, fact.replica)
        )
        if stored is None or not isinstance(stored.message, ReplicaFact):
            self._known.pop((fact.workload, fact.replica), None)
            return fact
        last = stored.message
        if last.epoch > self._epoch:
            raise LeaseLostError(
                f"target {self._target} is watched under epoch {last.epoch}, this monitor has {self._epoch}"
            )
        self._known[(fact.workload, fact.replica)] = (last, stored.sequence)
        return fact.model_copy(update={"transition": last.transition + 1})


def _outgoing(fact: ReplicaFact, sequence: int, trace: str | None) -> Outgoing:
    return Outgoing(
        subject=subjects.of(fact),
        message=fact,
        envelope=Envelope(
            id=derived_id(
                fact.group, fact.deployment, fact.workload, fact.replica, fact.transition, fact.epoch
            ),
            type=fact.type,
            source=SOURCE,
            subject=f"{fact.group}/{fact.deployment}",
            time=fact.at,
            traceparent=trace,
        ),
        expect=Expect(sequence=sequence),
    )
