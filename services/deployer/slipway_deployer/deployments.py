"""Load, decide, write, reconcile: the one path of every wake-up, deadline, restart and resync.

A message only wakes it. What is to be done follows from the records in the log alone, so that any replica of
the deployer can do it, twice or half, and the next one finishes it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, cast

from slipway_chassis.errors import ConflictError, DuplicateError, TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Expect, Outgoing, Stored
from slipway_chassis.log_lines import last_lines
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.events import BuildEnd
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact
from slipway_engines.engine import Engine

from slipway_deployer.decide import Inbox, build_ended, decide
from slipway_deployer.decision import Decision, Emitted
from slipway_deployer.inbox import inbox_of
from slipway_deployer.judge import Observed, is_late, judge
from slipway_deployer.reconcile import reconcile
from slipway_deployer.workloads import numbered

SOURCE: Final = "/slipway/deployer"
MOST_EMITTED: Final = 400
"""Of the 1000 messages that one batch may have."""
Key = tuple[str, str]
_log = get_logger()


@dataclass(frozen=True)
class _Loaded:
    """The desired record as it stands, and everything later that concerns it."""

    desired: Desired | None
    sequence: int
    inbox: Sequence[Inbox]


class Deployments:
    """Brings deployments to what their commands and observations ask for."""

    def __init__(
        self,
        *,
        log: EventLog,
        log_lines: EventLog,
        engine: Engine,
        gateways: Callable[[], tuple[GatewayRecord, ...]],
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._event_log = log
        self._log_lines = log_lines
        self._engine = engine
        self._gateways = gateways
        self._clock = clock
        self._reconciled: dict[Key, int] = {}

    async def advance(self, key: Key, *, resync: bool = False) -> bool:
        """Decide all that is new, and make the engine match; returns when both are done.

        With `resync` the engine is told its wishes again even where they did not change.

        Returns:
            False where the engine did not take the wishes: the decision stands, and has to be told again.

        Raises:
            TransientError: the log did not answer; nothing is half decided.
        """
        if resync:
            self._reconciled.pop(key, None)
        while True:
            loaded = await self._load(key)
            decision = await self._decided(key, loaded)
            if decision is None:
                return True
            if decision.desired != loaded.desired:
                sequence = await self._write(key, loaded, decision)
            elif self._reconciled.get(key) == loaded.sequence:
                return True
            else:
                sequence = loaded.sequence
            if sequence is not None and not await self._reconcile(key, decision.desired, sequence):
                return False

    async def _reconcile(self, key: Key, desired: Desired, sequence: int) -> bool:
        try:
            await reconcile(self._engine, desired)
        except TransientError as error:
            _log.warning("engine.wish_not_taken", group=key[0], deployment=key[1], error=str(error))
            return False
        self._reconciled[key] = sequence
        return True

    async def _load(self, key: Key) -> _Loaded:
        stored = await self._event_log.last(subjects.desired(*key))
        desired = cast("Desired", stored.message) if stored else None
        position = desired.position if desired else 0
        # A command that arrives between two reads would be overtaken: none is read past this end.
        end = await self._event_log.end()
        filters = (subjects.deployer_commands(*key), *subjects.build_ends(*key))
        lanes = await asyncio.gather(*(self._read(each, position, end) for each in filters))
        inbox = sorted((each for lane in lanes for each in lane), key=lambda each: each.sequence)
        return _Loaded(desired, stored.sequence if stored else 0, inbox)

    async def _read(self, subject: str, position: int, end: int) -> list[Inbox]:
        return [
            inbox_of(stored)
            async for stored in self._event_log.read(subject, after=position)
            if stored.sequence <= end
        ]

    async def _decided(self, key: Key, loaded: _Loaded) -> Decision | None:
        decision = await self._folded(key, loaded)
        if decision is None:
            return None
        history = await self._history(key, loaded.desired, decision.desired)
        decision = decision.changed_to(numbered(decision.desired, loaded.desired, history))
        unwritten = decision.desired != loaded.desired
        observed = Observed(
            deployment="/".join(key),
            revision=loaded.sequence,
            reconciled=not unwritten and self._reconciled.get(key) == loaded.sequence,
            replicas=await self._replicas(key, decision.desired),
            gateways=() if unwritten else self._gateways(),
            log_tails=await self._late_tails(key, decision.desired, decision.at),
        )
        judged = judge(decision, observed)
        return judged.changed_to(numbered(judged.desired, loaded.desired, history))

    async def _folded(self, key: Key, loaded: _Loaded) -> Decision | None:
        """Decide the messages that fit into one batch; the next round takes the others."""
        desired, at = loaded.desired, self._clock()
        emitted: tuple[Emitted, ...] = ()
        for each in loaded.inbox:
            decision = decide(desired, each, at=at)
            desired = decision.desired
            emitted += decision.emitted
            if len(emitted) > MOST_EMITTED:
                break
        if desired is None:
            return None
        decision = Decision(desired=desired, at=at, emitted=emitted)
        waiting = desired.unfinished
        if waiting is None or waiting.build is None or waiting.state is not ReleaseState.PENDING:
            return decision
        if loaded.desired is not None and loaded.desired.release(waiting.number) is not None:
            return decision
        end = await self._build_end(key, waiting.build)
        return decision if end is None else build_ended(decision, end)

    async def _build_end(self, key: Key, build: str) -> BuildEnd | None:
        """Return the end of a build, wherever it lies: a command may name one that has ended long ago."""
        following = self._event_log.follow(*subjects.build_ends(*key), start=After(0))
        async with aclosing(following) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    break
                message = item.message
                if isinstance(message, BuildEnd) and message.build == build:
                    return message
        return None

    async def _history(
        self, key: Key, before: Desired | None, desired: Desired
    ) -> dict[tuple[str, str], ReplicaFact]:
        """Return the facts of the earlier life of workloads that are new to the desired state."""
        known = {each.workload.id for each in before.workloads} if before else set()
        new = [each.workload.id for each in desired.workloads if each.workload.id not in known]
        if not new:
            return {}
        filters = [subjects.replica(*key, identifier, "*") for identifier in new]
        return _facts(await self._event_log.last_per_subject(*filters))

    async def _replicas(self, key: Key, desired: Desired) -> dict[tuple[str, str], ReplicaFact]:
        wanted = [(each.workload.id, each.workload.replica_ids) for each in desired.workloads]
        wanted += [(each.id, each.replicas) for each in desired.removed]
        found = await asyncio.gather(
            *(
                self._event_log.last(subjects.replica(*key, workload, replica))
                for workload, replicas in wanted
                for replica in replicas
            )
        )
        return _facts([stored for stored in found if stored is not None])

    async def _late_tails(
        self, key: Key, desired: Desired, at: datetime
    ) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the last lines of the replicas that were not ready in time: they explain the failure."""
        release = desired.unfinished
        if release is None or not is_late(release, at):
            return {}
        wanted = [
            each.workload for each in desired.workloads if each.workload.id in release.workloads.values()
        ]
        return {
            (workload.id, replica): await last_lines(
                self._log_lines, subjects.replica_log(*key, workload.id, replica)
            )
            for workload in wanted
            for replica in workload.replica_ids
        }

    async def _write(self, key: Key, loaded: _Loaded, decision: Decision) -> int | None:
        """Write the decision; None where another replica decided meanwhile."""
        cause = loaded.inbox[-1].envelope.id if loaded.inbox else None
        trace = decision.emitted[-1].traceparent if decision.emitted else None
        record = Emitted(decision.desired, None, trace)
        envelopes = [
            _envelope(key, loaded.sequence, index, decision.at, each, cause)
            for index, each in enumerate((*decision.emitted, record))
        ]
        batch = [
            Outgoing(subject=subjects.of(each.message), message=each.message, envelope=envelope)
            for each, envelope in zip((*decision.emitted, record), envelopes, strict=True)
        ]
        batch[-1] = replace(batch[-1], expect=Expect(sequence=loaded.sequence))
        try:
            receipt = await self._event_log.publish_batch(batch)
        except (ConflictError, DuplicateError):
            return None
        for each in decision.emitted:
            _log.info(each.message.type, group=key[0], deployment=key[1], operation=each.operation)
        return receipt.sequence


def _facts(records: Sequence[Stored]) -> dict[tuple[str, str], ReplicaFact]:
    facts: dict[tuple[str, str], ReplicaFact] = {}
    for stored in records:
        try:
            fact = stored.message
        except UnknownMessageError as error:
            _log.error("replica.fact_unreadable", subject=stored.subject, error=str(error))
            continue
        if isinstance(fact, ReplicaFact):
            facts[(fact.workload, fact.replica)] = fact
    return facts


def _envelope(  # noqa: PLR0917
    key: Key, revision: int, index: int, at: datetime, emitted: Emitted, cause: str | None
) -> Envelope:
    # The id of a decision follows from the revision it replaces: a retry keeps it, a recurrence gets another.
    return Envelope(
        id=derived_id(*key, revision, emitted.message.type, index),
        type=emitted.message.type,
        source=SOURCE,
        subject="/".join(key),
        time=at,
        causation_id=cause,
        correlation_id=emitted.operation,
        traceparent=emitted.traceparent,
    )
