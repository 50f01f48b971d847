"""Load, decide, write, reconcile: the one path of every wake-up, deadline, restart and resync.

A message only wakes it. What is to be done follows from the records in the log alone, so that any replica of
the deployer can do it, twice or half, and the next one finishes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from slipway_chassis.errors import ConflictError, DuplicateError
from slipway_chassis.event_log import EventLog, Expect, Outgoing
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.workload import Workload
from slipway_engines.engine import Engine

from slipway_deployer.desired.decision import Decision, Emitted
from slipway_deployer.desired.observed import Observed, Refusal
from slipway_deployer.desired.postponing import postponed
from slipway_deployer.fixed_ports import Claim, FixedPorts, Port, claims_of
from slipway_deployer.judging.judge import judge
from slipway_deployer.reconcile import Opener, Wishes
from slipway_deployer.records import Key, Loaded, Records
from slipway_deployer.rounds import folded, newly_waiting, told_of_builds, with_attempts
from slipway_deployer.source import SOURCE
from slipway_deployer.timing.attendance import Attendance
from slipway_deployer.unknown_workloads import report_unknown

_log = get_logger()


@dataclass(frozen=True)
class _Reconciled:
    """The last revision that the engine was told, its wishes, and what of it could not be told."""

    sequence: int
    wishes: Mapping[str, Workload]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def taken(self) -> Mapping[str, Workload]:
        """The wishes that need not be told again while nobody else tells others."""
        return {name: wish for name, wish in self.wishes.items() if name not in self.missing}


class Deployments:
    """Brings deployments to what their commands and observations ask for."""

    def __init__(
        self,
        *,
        log: EventLog,
        log_lines: EventLog,
        engine: Engine,
        secrets: Opener,
        gateways: Callable[[], tuple[GatewayRecord, ...]],
        attendance: Attendance,
        ports: FixedPorts,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._event_log = log
        self._records = Records(log=log, log_lines=log_lines)
        self._wishes = Wishes(engine=engine, secrets=secrets)
        self._gateways = gateways
        self._ports = ports
        self._attendance = attendance
        self._clock = clock
        self._reconciled: dict[Key, _Reconciled] = {}
        self._named: dict[Key, frozenset[str]] = {}
        self._refused: dict[Key, Mapping[str, Refusal]] = {}

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
            loaded = await self._records.load(key)
            decision = await self._decided(key, loaded)
            if decision is None:
                return True
            if decision.desired != loaded.desired:
                sequence = await self._write(key, loaded, decision)
            elif self._is_reconciled(key, loaded):
                if decision.desired.ended:
                    self._forget(key)
                return True
            else:
                sequence = loaded.sequence
            if sequence is not None and not await self._reconcile(key, loaded, decision.desired, sequence):
                return False

    def _forget(self, key: Key) -> None:
        for known in (self._reconciled, self._named, self._refused):
            known.pop(key, None)

    def _is_reconciled(self, key: Key, loaded: Loaded) -> bool:
        known = self._reconciled.get(key)
        return known is not None and known.sequence == loaded.sequence

    async def _reconcile(self, key: Key, loaded: Loaded, desired: Desired, sequence: int) -> bool:
        """Tell the wishes that are new; what nobody wants now is taken back, and once more at its end.

        Another replica may have removed it, and forgotten it, before this one told an older record; and where
        that one decided the revision before, it may have told any wish, so that each is told again.
        """
        names = {each.workload.id: each.workload for each in desired.workloads}
        leaving = {each.id for each in desired.removed}
        disowned = self._named.get(key, frozenset()) - names.keys() - leaving
        self._named[key] = frozenset(names) | leaving | disowned
        taken = self._reconciled[key].taken if self._is_reconciled(key, loaded) else {}
        untaken = await self._wishes.tell(desired, taken=taken, disowned=disowned)
        where = {"group": key[0], "deployment": key[1]}
        for workload, refusal in untaken.refused.items():
            _log.warning("engine.wish_not_taken", **where, workload=workload, error=refusal.problem)
        for workload, problem in untaken.missing.items():
            _log.warning("secret.missing", **where, workload=workload, error=problem)
        self._refused[key] = untaken.refused
        if untaken.refused:
            self._reconciled.pop(key, None)
            return False
        self._named[key] = frozenset(names) | leaving
        self._reconciled[key] = _Reconciled(sequence, names, untaken.missing)
        return True

    async def disown(self, key: Key, strays: Sequence[ReplicaFact]) -> bool:
        """Remove what was seen running and is named by no record of its deployment any more.

        A deployment that has no record is left alone and reported: its record may be what is missing.

        Returns:
            False where the engine did not take a wish.
        """
        desired = (await self._records.load(key)).desired
        if desired is None:
            await report_unknown(self._event_log, key, strays)
            return True
        named = {each.workload.id for each in desired.workloads}
        disowned = sorted({fact.workload for fact in strays} - named)
        for workload in disowned:
            _log.warning("workload.disowned", group=key[0], deployment=key[1], workload=workload)
        return not (await self._wishes.remove(key, disowned)).refused

    async def _decided(self, key: Key, loaded: Loaded) -> Decision | None:
        decision = folded(await self._attended(loaded), loaded.inbox, at=self._clock())
        if decision is None:
            return None
        waiting = newly_waiting(decision, loaded.desired)
        ends = [(each, await self._records.build_end(key, each.build or "")) for each in waiting]
        decision = await self._numbered(key, loaded, told_of_builds(decision, ends))
        judged = judge(decision, await self._observed(key, loaded, decision))
        if judged.desired.workloads == decision.desired.workloads:
            return judged
        return await self._numbered(key, loaded, judged)

    async def _numbered(self, key: Key, loaded: Loaded, decision: Decision) -> Decision:
        earlier_lives = await self._records.earlier_lives(key, loaded.desired, decision.desired)
        return with_attempts(decision, loaded.desired, earlier_lives)

    async def _observed(self, key: Key, loaded: Loaded, decision: Decision) -> Observed:
        desired, at = decision.desired, decision.at
        unwritten = desired != loaded.desired
        known = None if unwritten or not self._is_reconciled(key, loaded) else self._reconciled[key]
        facts = await self._records.replicas(key, desired)
        were_ready = await self._records.were_ready(key, facts, at)
        return Observed(
            deployment="/".join(key),
            revision=loaded.sequence,
            reconciled=known is not None,
            replicas=facts,
            gateways=() if unwritten else self._gateways(),
            log_tails=await self._records.tails(key, desired, facts, were_ready, at),
            were_ready=were_ready,
            missing_secrets=known.missing if known else {},
            refused=self._refused.get(key, {}),
            ports=await self._held_by_others(key, desired),
        )

    async def _held_by_others(self, key: Key, desired: Desired) -> Mapping[Port, Claim]:
        """Return who else wants the fixed ports of a deployment, by the newest record of who comes first."""
        own = claims_of(desired)
        while True:
            others = self._ports.held_by_others(key, own)
            before = {(each.group, each.deployment) for port, each in others.items() if each < own[port]}
            if not [owner for owner in before if await self._is_behind(owner)]:
                return others

    async def _is_behind(self, owner: Key) -> bool:
        """Say whether the log has a newer record of a deployment than was known, and take that."""
        stored = await self._event_log.last(subjects.desired(*owner))
        record = None if stored is None else stored.readable
        if stored is None or not isinstance(record, Desired):
            return False
        return self._ports.note(record, stored.sequence)

    async def _attended(self, loaded: Loaded) -> Desired | None:
        if loaded.desired is None or loaded.decided_at is None:
            return loaded.desired
        absences = await self._attendance.absences()
        return postponed(loaded.desired, decided_at=loaded.decided_at, absences=absences)

    async def _write(self, key: Key, loaded: Loaded, decision: Decision) -> int | None:
        """Write the decision; None where another replica decided meanwhile."""
        record = _record_of(loaded, decision)
        envelopes = [
            _envelope(key, loaded.sequence, index, decision.at, each)
            for index, each in enumerate((*decision.emitted, record))
        ]
        batch = [
            Outgoing(subject=subjects.of(each.message), message=each.message, envelope=envelope)
            for each, envelope in zip((*decision.emitted, record), envelopes, strict=True)
        ]
        batch[-1] = replace(batch[-1], expect=Expect(sequence=loaded.sequence))
        if decision.emitted and loaded.dead is not None:
            # What was given up since it was loaded must not take effect.
            expect = Expect(sequence=loaded.dead, subject=subjects.dead_messages(*key))
            batch[0] = replace(batch[0], expect=expect)
        try:
            receipt = await self._event_log.publish_batch(batch)
        except (ConflictError, DuplicateError):
            return None
        for each in decision.emitted:
            _log.info(each.message.type, group=key[0], deployment=key[1], operation=each.operation)
        return receipt.sequence


def _record_of(loaded: Loaded, decision: Decision) -> Emitted:
    """Return the record as the batch says it: caused by the newest command decided, and in its trace.

    Where that has none, or none was decided, it is in the trace of what the decision says first.
    """
    position = decision.desired.position
    newest = next((each.envelope for each in loaded.inbox if each.sequence == position), None)
    asked = [newest.traceparent] if newest else []
    told = [each.traceparent for each in decision.emitted]
    trace = next((each for each in asked + told if each is not None), None)
    return Emitted(decision.desired, None, trace, newest.id if newest else None)


def _envelope(key: Key, revision: int, index: int, at: datetime, emitted: Emitted) -> Envelope:
    # The id of a decision follows from the revision it replaces: a retry keeps it, a recurrence gets another.
    return Envelope(
        id=derived_id(*key, revision, emitted.message.type, index),
        type=emitted.message.type,
        source=SOURCE,
        subject="/".join(key),
        time=at,
        causation_id=emitted.cause,
        correlation_id=emitted.operation,
        traceparent=emitted.traceparent,
    )
