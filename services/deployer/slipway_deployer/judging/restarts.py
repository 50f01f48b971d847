"""Replicas that ended or hang are started again, with growing pauses; a crash loop is told. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway_contracts.desired import DesiredRelease, DesiredWorkload
from slipway_contracts.events import DeploymentFailed, DeploymentRecovered
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import loop_failure
from slipway_deployer.desired.needs import drains, named
from slipway_deployer.desired.observed import ENDED, Observed, restart_at, seems_hung
from slipway_deployer.desired.workloads import calmed, restarted

START_ATTEMPTS: Final = 3
CRASHES_OF_A_LOOP: Final = 5
STABLE_AFTER: Final = timedelta(seconds=60)
RECOVERED_AFTER: Final = timedelta(seconds=20)


def restart_crashed(decision: Decision, observed: Observed) -> Decision:
    """Start what ended or hangs again, unless its release is about to fail for it."""
    workloads = list(decision.desired.workloads)
    left_alone = _draining_only(decision)
    for index, each in enumerate(workloads):
        if each.workload.id in left_alone:
            continue
        for slot, crashes in enumerate(each.crashes):
            fact = observed.fact(each, slot)
            if fact is None or not _is_due(decision, observed, each, slot):
                continue
            if attempts_used_up(decision, each, crashes):
                continue
            stable = fact.started_at is not None and fact.at - fact.started_at > STABLE_AFTER
            workloads[index] = restarted(workloads[index], slot, 1 if stable else crashes + 1)
    if workloads == list(decision.desired.workloads):
        return decision
    return decision.changed(workloads=tuple(workloads))


def _is_due(decision: Decision, observed: Observed, each: DesiredWorkload, slot: int) -> bool:
    fact = observed.fact(each, slot)
    if fact is None:
        return False
    if fact.state in ENDED:
        return decision.at >= restart_at(fact, each.crashes[slot])
    return hangs(decision, observed, each, fact)


def hangs(decision: Decision, observed: Observed, each: DesiredWorkload, fact: ReplicaFact) -> bool:
    """Whether a replica gives no answer any more: it was ready, or has had all the time to become it."""
    if not seems_hung(fact, decision.at):
        return False
    if (fact.workload, fact.replica) in observed.were_ready:
        return True
    users = [other for other in decision.desired.releases if each.workload.id in other.workloads.values()]
    if any(other.state is ReleaseState.STARTING for other in users):
        return False
    patience = max((other.config.deadline_seconds for other in users), default=0.0)
    return decision.at - (fact.started_at or fact.at) >= timedelta(seconds=patience)


def _draining_only(decision: Decision) -> set[str]:
    """Return the workloads that get no new requests any more."""
    names = named(decision.desired)
    used = {True: set[str](), False: set[str]()}
    for release in decision.desired.releases:
        used[drains(release, names)].update(release.workloads.values())
    return used[True] - used[False]


def attempts_used_up(decision: Decision, each: DesiredWorkload, crashes: int) -> bool:
    """A workload that serves is restarted for ever; one that has yet to start has a few attempts."""
    states = {
        release.state
        for release in decision.desired.releases
        if each.workload.id in release.workloads.values()
    }
    return states == {ReleaseState.STARTING} and crashes + 1 >= START_ATTEMPTS


@dataclass(frozen=True)
class _Slot:
    each: DesiredWorkload
    number: int
    fact: ReplicaFact | None

    @property
    def is_ready(self) -> bool:
        return self.fact is not None and self.fact.state is ReplicaState.READY


def judge_crash_loop(decision: Decision, observed: Observed) -> Decision:
    """Say that what serves has no replica that stays, and take it back once one has stayed for a while."""
    desired = decision.desired
    if desired.wanted is not Wanted.RUNNING:
        return decision
    serving = desired.serving() or tuple(each for each in desired.releases if each.state is ReleaseState.LIVE)
    if not serving:
        return decision.changed(crash_loop=None) if desired.crash_loop else decision
    slots = list(_slots(decision, observed, serving))
    if desired.crash_loop is None:
        return _looping(decision, observed, serving[0], slots)
    return _recovered(decision, serving[0], slots)


def _slots(decision: Decision, observed: Observed, releases: tuple[DesiredRelease, ...]) -> Iterator[_Slot]:
    identifiers = {identifier for release in releases for identifier in release.workloads.values()}
    for each in decision.desired.workloads:
        if each.workload.id in identifiers:
            for slot in range(each.serving):
                yield _Slot(each, slot, observed.fact(each, slot))


def _looping(decision: Decision, observed: Observed, release: DesiredRelease, slots: list[_Slot]) -> Decision:
    if not slots or any(slot.is_ready for slot in slots):
        return decision
    for slot in slots:
        crashes = slot.each.crashes[slot.number] + 1
        fact = slot.fact
        if fact is None or crashes < CRASHES_OF_A_LOOP:
            continue
        if fact.state in ENDED or hangs(decision, observed, slot.each, fact):
            tail = observed.log_tails.get((fact.workload, fact.replica), ())
            failure = loop_failure(fact, crashes, tail)
            event = DeploymentFailed(**decision.owner, release=release.number, failure=failure)
            return decision.changed(crash_loop=failure).emit_for(release, event)
    return decision


def _recovered(decision: Decision, release: DesiredRelease, slots: list[_Slot]) -> Decision:
    """It stays when a replica has been ready for a while, or when another release serves with no crashes."""
    stays = [
        slot
        for slot in slots
        if slot.is_ready and slot.fact and decision.at - slot.fact.at >= RECOVERED_AFTER
    ]
    looping = any(slot.each.crashes[slot.number] >= CRASHES_OF_A_LOOP - 1 for slot in slots)
    if not stays and looping:
        return decision
    calm = [slot for slot in slots if slot.is_ready]
    by_workload = {each.workload.id: each for each in decision.desired.workloads}
    for slot in calm:
        identifier = slot.each.workload.id
        by_workload[identifier] = calmed(by_workload[identifier], [slot.number])
    event = DeploymentRecovered(**decision.owner, release=release.number)
    return decision.changed(crash_loop=None, workloads=tuple(by_workload.values())).emit_for(release, event)
