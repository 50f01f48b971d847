"""The observed records of one target: the last fact per replica, written under one lease epoch.

Every write expects the sequence of the record that it replaces, so that a monitor whose lease went to another
cannot write over its successor.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Self

from pydantic import BaseModel, ValidationError
from slipway_chassis.errors import ConflictError, LeaseLostError, TransientError
from slipway_chassis.event_log import CaughtUp, EventLog, Expect, LastPerSubject, Outgoing, Stored
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


class _Order(BaseModel):
    """What orders the facts of a replica; every release of the platform writes it."""

    epoch: int = 0
    transition: int = 0


@dataclass(frozen=True)
class _Record:
    """What the log has of a replica.

    Attributes:
        fact: None where this release cannot read it.
        sequence: where it is.
        order: which it is.
    """

    fact: ReplicaFact | None
    sequence: int
    order: _Order

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """Return the record of a message on the subject of a replica."""
        message = stored.readable
        if isinstance(message, ReplicaFact):
            return cls(message, stored.sequence, _Order(epoch=message.epoch, transition=message.transition))
        try:
            order = _Order.model_validate_json(stored.data)
        except ValidationError:
            order = _Order()
        return cls(None, stored.sequence, order)


class ObservedRecords:
    """Turns observations into facts, and facts into records of the log.

    Keeps the records of replicas that are there; those of the others are read when one comes back.
    """

    def __init__(self, *, log: EventLog, target: str, epoch: int) -> None:
        self._event_log = log
        self._target = target
        self._epoch = epoch
        self._known: dict[tuple[str, str], _Record] = {}
        # A fact is made of the one before it: who writes must know that nobody writes in between.
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the records that earlier monitors of this target left, but for what cannot be read."""
        following = self._event_log.follow(subjects.ALL_REPLICAS, start=LastPerSubject())
        async with aclosing(following) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    return
                record = _Record.of(item)
                if record.fact is not None and record.fact.target == self._target:
                    self._keep(record.fact, record)

    async def record(self, seen: ReplicaObserved | ImageProblem) -> bool:
        """Write what was seen, if it is news; return whether it was.

        Raises:
            LeaseLostError: another monitor wrote this record under a later epoch.
        """
        async with self._writing:
            last = await self._recalled(seen.ref)
            news = fact_of(seen, last.fact if last else None, target=self._target, epoch=self._epoch)
            if news is None:
                return False
            await self._write(news if last is None else _behind(last, news), seen.traceparent, last)
            return True

    async def tested(self, seen: ReplicaObserved, smoke: SmokeResult) -> None:
        """Write what a smoke test showed of a process, unless that has ended meanwhile.

        Raises:
            LeaseLostError: another monitor wrote this record under a later epoch.
        """
        async with self._writing:
            last = self._known.get(_key(seen.ref))
            fact = last.fact if last else None
            if fact is not None and fact.state in _ALIVE and is_same_process(seen, fact):
                news = smoke_tested(fact, smoke, epoch=self._epoch, at=now())
                await self._write(news, seen.traceparent, last)

    async def forget_unseen(self, seen: set[ReplicaRef]) -> None:
        """Write that every replica is gone which is on record but was not seen."""
        present = {_key(ref) for ref in seen}
        async with self._writing:
            for key, last in list(self._known.items()):
                if key not in present and last.fact is not None:
                    await self._write(gone(last.fact, epoch=self._epoch, at=now()), None, last)

    def known(self, ref: ReplicaRef) -> ReplicaFact | None:
        """Return the record of this replica, unless it is gone."""
        last = self._known.get(_key(ref))
        return last.fact if last else None

    def _keep(self, fact: ReplicaFact, record: _Record) -> None:
        if fact.state is ReplicaState.GONE:
            self._known.pop((fact.workload, fact.replica), None)
        else:
            self._known[fact.workload, fact.replica] = record

    async def _recalled(self, ref: ReplicaRef) -> _Record | None:
        """Return the record of a replica: one that is not kept may have been gone, and come back."""
        workload = ref.workload
        subject = subjects.replica(workload.group, workload.deployment, workload.id, ref.id)
        return self._known.get(_key(ref)) or await self._read(subject)

    async def _read(self, subject: str) -> _Record | None:
        record = await self._last(subject)
        if record is not None and record.order.epoch > self._epoch:
            raise LeaseLostError(
                f"target {self._target} is watched under epoch {record.order.epoch}, "
                f"this monitor has {self._epoch}"
            )
        return record

    async def _last(self, subject: str) -> _Record | None:
        while True:
            try:
                stored = await self._event_log.last(subject)
            except TransientError as error:
                _log.info("fact.comes_later", subject=subject, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return _Record.of(stored) if stored is not None else None

    async def _write(self, fact: ReplicaFact, trace: str | None, last: _Record | None) -> None:
        """Write until it is written: what comes after it must not overtake it."""
        while True:
            try:
                receipt = await self._event_log.publish(_outgoing(fact, last.sequence if last else 0, trace))
            except ConflictError:
                # Ours or older, it goes first.
                last = await self._read(subjects.of(fact))
                fact = fact if last is None else _behind(last, fact)
            except TransientError as error:
                _log.info("fact.comes_later", replica=fact.replica, error=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                order = _Order(epoch=fact.epoch, transition=fact.transition)
                self._keep(fact, _Record(fact, receipt.sequence, order))
                return


def _key(ref: ReplicaRef) -> tuple[str, str]:
    return ref.workload.id, ref.id


def _behind(last: _Record, fact: ReplicaFact) -> ReplicaFact:
    return fact.model_copy(update={"transition": last.order.transition + 1})


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
