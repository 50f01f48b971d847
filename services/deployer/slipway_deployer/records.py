"""Reads from the log what one deployment is decided on and judged by; it decides nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Stored
from slipway_chassis.log_lines import last_lines
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.events import BuildEnd, MessageDead
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.observed import Facts, seems_hung
from slipway_deployer.desired.starting import waiting_for_builds
from slipway_deployer.desired.upgrading import upgraded
from slipway_deployer.desired.workloads import grown
from slipway_deployer.inbox import given_up, incoming_of
from slipway_deployer.judging.rollout import is_late, listens_elsewhere

Key = tuple[str, str]
_REMEMBERED: Final = 10_000


class RecordUnreadableError(TransientError):
    """This release cannot read what is wanted of a deployment; a newer one may, or may write it anew."""


@dataclass(frozen=True)
class Loaded:
    """The desired record as it stands, and everything later that concerns it.

    Attributes:
        decided_at: when the record was written.
        dead: last sequence at which messages of the deployment were given up; None: nothing is to be decided.
    """

    desired: Desired | None
    sequence: int
    inbox: Sequence[Incoming]
    decided_at: datetime | None = None
    dead: int | None = None


class Records:
    """The records of deployments, read from the log when they are asked for."""

    def __init__(self, *, log: EventLog, log_lines: EventLog) -> None:
        self._event_log = log
        self._log_lines = log_lines
        self._readiness: dict[tuple[str, str, str, str, int], bool] = {}

    async def load(self, key: Key) -> Loaded:
        """Return the desired record, with the commands behind it and the ends of builds it awaits.

        Raises:
            RecordUnreadableError: nothing can be decided on this record.
            LogUnavailableError: no answer in time.
        """
        stored = await self._event_log.last(subjects.desired(*key))
        desired = upgraded(_desired_of(stored)) if stored else None
        inbox = await self._inbox(key, desired)
        dead, buried = await self._given_up(key, inbox[0].sequence) if inbox else (None, frozenset())
        # The end of a build stands, also where the message that told of it was given up.
        lost = {each.sequence for each in inbox if not isinstance(each.message, BuildEnd)} & buried
        inbox = [given_up(each) if each.sequence in lost else each for each in inbox]
        sequence, at = (stored.sequence, stored.envelope.time) if stored else (0, None)
        return Loaded(desired, sequence, inbox, decided_at=at, dead=dead)

    async def _given_up(self, key: Key, after: int) -> tuple[int, frozenset[int]]:
        """Return where messages were given up last, and which of those that came later than `after`."""
        subject = subjects.dead_messages(*key)
        last = await self._event_log.last(subject)
        if last is None or last.sequence < after:
            return last.sequence if last else 0, frozenset()
        said = [each async for each in self._event_log.read(subject, after=after)]
        messages = [each.readable for each in said]
        dead = frozenset(each.sequence for each in messages if isinstance(each, MessageDead))
        return said[-1].sequence, dead

    async def _inbox(self, key: Key, desired: Desired | None) -> list[Incoming]:
        commands, position = subjects.deployer_commands(*key), desired.position if desired else 0
        if desired is None or not waiting_for_builds(desired):
            return [incoming_of(each) async for each in self._event_log.read(commands, after=position)]
        # A command that arrives between two reads would be overtaken: none is read past this end.
        end = await self._event_log.end()
        lanes = await asyncio.gather(
            *(self._lane(each, position, end) for each in (commands, *subjects.build_ends(*key)))
        )
        return sorted((each for lane in lanes for each in lane), key=lambda each: each.sequence)

    async def _lane(self, subject: str, position: int, end: int) -> list[Incoming]:
        return [
            incoming_of(stored)
            async for stored in self._event_log.read(subject, after=position)
            if stored.sequence <= end
        ]

    async def build_end(self, key: Key, build: str) -> BuildEnd | None:
        """Return the end of a build, wherever it lies: a command may name one that has ended long ago."""
        asked = await self._event_log.last(subjects.build_commands(*key))
        begin = asked.sequence if asked is not None and asked.headers.get("ce-id") == build else 0
        following = self._event_log.follow(*subjects.build_ends(*key), start=After(begin))
        async with aclosing(following) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    break
                message = item.readable
                if isinstance(message, BuildEnd) and message.build == build:
                    return message
        return None

    async def earlier_lives(self, key: Key, before: Desired | None, desired: Desired) -> Facts:
        """Return the facts of the earlier life of workloads and slots that are new to the desired state."""
        new = grown(before, desired)
        if not new:
            return {}
        filters = [subjects.replica(*key, identifier, "*") for identifier in new]
        return _facts(await self._event_log.last_per_subject(*filters))

    async def replicas(self, key: Key, desired: Desired) -> Facts:
        """Return the latest fact of each replica that is wanted, or was when its workload was removed."""
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

    async def were_ready(self, key: Key, facts: Facts, at: datetime) -> frozenset[tuple[str, str]]:
        """Return the replicas that have been unready for long and had been ready before."""
        silent = [fact for fact in facts.values() if seems_hung(fact, at)]
        return frozenset(
            [(each.workload, each.replica) for each in silent if await self._was_ready(key, each)]
        )

    async def _was_ready(self, key: Key, fact: ReplicaFact) -> bool:
        known = (*key, fact.workload, fact.replica, fact.transition)
        if known not in self._readiness:
            if len(self._readiness) >= _REMEMBERED:
                self._readiness.clear()
            subject = subjects.replica(*key, fact.workload, fact.replica)
            earlier = _facts_of([stored async for stored in self._event_log.read(subject, after=0)])
            self._readiness[known] = any(each.state is ReplicaState.READY for each in earlier)
        return self._readiness[known]

    async def tails(
        self, key: Key, desired: Desired, facts: Facts, hung: frozenset[tuple[str, str]], at: datetime
    ) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the last lines of replicas that still run and are about to explain a failure."""
        starting, late = set[str](), set[str]()
        for release in desired.releases:
            if release.state is ReleaseState.STARTING:
                starting.update(release.workloads.values())
                late.update(release.workloads.values() if is_late(release, at) else ())
        overdue = any(not move.shifted and is_late(move, at) for move in desired.moves)
        telling = [
            (workload, replica)
            for (workload, replica), fact in facts.items()
            if (workload, replica) in hung
            or (overdue and fact.state is not ReplicaState.READY)
            or workload in late
            or (workload in starting and _tells_a_failure(fact))
        ]
        return {
            (workload, replica): await last_lines(
                self._log_lines, subjects.replica_log(*key, workload, replica)
            )
            for workload, replica in telling
        }


def _tells_a_failure(fact: ReplicaFact) -> bool:
    return listens_elsewhere(fact) or (fact.smoke is not None and not fact.smoke.passed)


def _facts(records: Sequence[Stored]) -> dict[tuple[str, str], ReplicaFact]:
    return {(fact.workload, fact.replica): fact for fact in _facts_of(records)}


def _facts_of(records: Sequence[Stored]) -> list[ReplicaFact]:
    return [fact for fact in (each.readable for each in records) if isinstance(fact, ReplicaFact)]


def _desired_of(stored: Stored) -> Desired:
    try:
        message = stored.message
    except (UnknownMessageError, MalformedEnvelopeError) as error:
        raise RecordUnreadableError(f"record {stored.sequence} ({stored.subject}): {error}") from error
    if not isinstance(message, Desired):
        raise RecordUnreadableError(f"record {stored.sequence} ({stored.subject}) is a {message.type}")
    return message
