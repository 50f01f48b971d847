"""Load, decide, write, reconcile: the one path of every wake-up, deadline, restart and resync.

A message only wakes it. What is to be done follows from the records in the log alone, so that any replica of
the deployer can do it, twice or half, and the next one finishes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, cast

import structlog
from slipway_chassis.errors import ConflictError, DuplicateError
from slipway_chassis.event_log import EventLog, Expect, Outgoing, Stored
from slipway_chassis.log_lines import last_lines
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildSucceeded
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact
from slipway_engines.engine import Engine

from slipway_deployer.decide import DeployerMessage, Inbox, decide
from slipway_deployer.decision import Decision, Emitted
from slipway_deployer.judge import Observed, is_late, judge
from slipway_deployer.reconcile import reconcile
from slipway_deployer.workloads import numbered

SOURCE: Final = "/slipway/deployer"
Key = tuple[str, str]
_log = structlog.get_logger(__name__)


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

    async def advance(self, key: Key, *, resync: bool = False) -> None:
        """Decide all that is new, and make the engine match; returns when both are done.

        With `resync` the engine is told its wishes again even where they did not change.

        Raises:
            TransientError: the log or the engine did not answer; nothing is half decided.
        """
        if resync:
            self._reconciled.pop(key, None)
        while True:
            loaded = await self._load(key)
            decision = await self._decided(key, loaded)
            if decision is None:
                return
            if decision.desired != loaded.desired:
                sequence = await self._write(key, loaded, decision)
            elif self._reconciled.get(key) == loaded.sequence:
                return
            else:
                sequence = loaded.sequence
            if sequence is not None:
                await reconcile(self._engine, decision.desired)
                self._reconciled[key] = sequence

    async def _load(self, key: Key) -> _Loaded:
        stored = await self._event_log.last(subjects.desired(*key))
        desired = cast("Desired", stored.message) if stored else None
        position = desired.position if desired else 0
        # A command that arrives between two reads would be overtaken: none is read past this end.
        end = await self._event_log.end()
        inbox = [
            Inbox(each.sequence, each.envelope, cast("DeployerMessage", each.message))
            for subject in (subjects.deployer_commands(*key), subjects.build_events(*key))
            async for each in self._event_log.read(subject, after=position)
            if each.sequence <= end and _concerns(each)
        ]
        inbox.sort(key=lambda each: each.sequence)
        return _Loaded(desired, stored.sequence if stored else 0, inbox)

    async def _decided(self, key: Key, loaded: _Loaded) -> Decision | None:
        desired, emitted = loaded.desired, list[Emitted]()
        for each in loaded.inbox:
            decision = decide(desired, each)
            desired = decision.desired
            emitted += decision.emitted
        if desired is None:
            return None
        replicas = await self._replicas(key, desired)
        desired = numbered(desired, loaded.desired, replicas)
        unwritten, at = desired != loaded.desired, self._clock()
        observed = Observed(
            revision=loaded.sequence,
            replicas=replicas,
            gateways=() if unwritten else self._gateways(),
            log_tails=await self._late_tails(key, desired, at),
        )
        judged = judge(Decision(desired=desired, at=at), observed)
        return Decision(desired=judged.desired, at=judged.at, emitted=(*emitted, *judged.emitted))

    async def _replicas(self, key: Key, desired: Desired) -> dict[tuple[str, str], ReplicaFact]:
        identifiers = [each.workload.id for each in desired.workloads]
        identifiers += [each.id for each in desired.removed]
        if not identifiers:
            return {}
        filters = [subjects.replica(*key, identifier, "*") for identifier in identifiers]
        stored = await self._event_log.last_per_subject(*filters)
        facts = [cast("ReplicaFact", each.message) for each in stored]
        return {(fact.workload, fact.replica): fact for fact in facts}

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


def _concerns(stored: Stored) -> bool:
    ends = (BuildSucceeded, BuildFailed, BuildCanceled)
    return ".cmd." in stored.subject or isinstance(stored.message, ends)


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
