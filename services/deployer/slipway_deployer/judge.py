"""What the observations mean for the desired state: ready, failed, drained, gone. Pure.

Every rule looks at levels (the latest record of each replica and gateway), never at edges, so that a
judgement can be repeated, and one that was missed is made later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.desired import DesiredRelease, DesiredWorkload, TrafficShare
from slipway_contracts.events import (
    DeploymentEnded,
    OperationSucceeded,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
    TrafficShifted,
)
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.decide import drained
from slipway_deployer.decision import Decision
from slipway_deployer.diagnosis import deadline_failure, exit_failure, image_failure
from slipway_deployer.workloads import pruned, restarted, trimmed

START_ATTEMPTS: Final = 3
FIRST_BACK_OFF: Final = timedelta(milliseconds=200)
LONGEST_BACK_OFF: Final = timedelta(seconds=30)
STABLE_AFTER: Final = timedelta(seconds=60)
FORGET_UNSEEN_AFTER: Final = timedelta(seconds=20)
_ENDED: Final = frozenset({ReplicaState.EXITED, ReplicaState.GONE})


@dataclass(frozen=True)
class Observed:
    """The latest records about one deployment."""

    revision: int
    replicas: Mapping[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    gateways: tuple[GatewayRecord, ...] = ()
    log_tails: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of replicas that are late; the fact of one that ended has its own."""

    @property
    def applied(self) -> bool:
        """Whether every known gateway, and at least one, sends requests as this revision says."""
        return bool(self.gateways) and all(each.applied >= self.revision for each in self.gateways)

    def idle(self, workload: str) -> bool:
        """Whether every gateway says that it waits for no answer of this workload."""
        return self.applied and all(each.active.get(workload) == 0 for each in self.gateways)

    def left(self, workload: str, replica: str) -> bool:
        """Whether every gateway says that it waits for no answer of this replica."""
        return self.applied and all(each.leaving.get(f"{workload}/{replica}") == 0 for each in self.gateways)


def judge(decision: Decision, observed: Observed) -> Decision:
    """Return what the observations change, at `decision.at`.

    `observed.revision` is the sequence of the desired record; a state that is not written yet is judged
    without gateways, for none can have applied it.
    """
    # What waits for the gateways comes first: the later rules change what the gateways have yet to apply.
    decision = _trim(decision, observed)
    decision = _retire_drained(decision, observed)
    decision = _finish_shift(decision, observed)
    decision = _restart_crashed(decision, observed)
    decision = _judge_unfinished(decision, observed)
    decision = _forget_removed(decision, observed)
    return _finish_ending(decision)


def back_off(crashes: int) -> timedelta:
    """Return the pause before the restart after this many crashes in a row."""
    return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * (1 << min(crashes, 12)))


def _fact(observed: Observed, each: DesiredWorkload, slot: int) -> ReplicaFact | None:
    return observed.replicas.get((each.workload.id, each.workload.replica_ids[slot]))


def restart_at(fact: ReplicaFact, crashes: int) -> datetime:
    """Return when the replica that this fact says has exited may start again."""
    return fact.at + back_off(crashes)


def _restart_crashed(decision: Decision, observed: Observed) -> Decision:
    workloads = list(decision.desired.workloads)
    for index, each in enumerate(workloads):
        for slot, crashes in enumerate(each.crashes):
            fact = _fact(observed, each, slot)
            if fact is None or fact.state not in _ENDED or decision.at < restart_at(fact, crashes):
                continue
            if _attempts_used_up(decision, each, crashes):
                continue
            stable = fact.started_at is not None and fact.at - fact.started_at > STABLE_AFTER
            workloads[index] = restarted(workloads[index], slot, 1 if stable else crashes + 1)
    if workloads == list(decision.desired.workloads):
        return decision
    return decision.changed(workloads=tuple(workloads))


def _attempts_used_up(decision: Decision, each: DesiredWorkload, crashes: int) -> bool:
    """A workload that serves is restarted for ever; one that has yet to start has a few attempts."""
    release = decision.desired.unfinished
    if release is None or each.workload.id not in release.workloads.values():
        return False
    others = [other for other in decision.desired.releases if other.number != release.number]
    shared = any(each.workload.id in other.workloads.values() for other in others)
    return not shared and crashes + 1 >= START_ATTEMPTS


def _judge_unfinished(decision: Decision, observed: Observed) -> Decision:
    release = decision.desired.unfinished
    if release is None:
        return decision
    if release.state is ReleaseState.STARTING:
        decision, release = _judge_starting(decision, release, observed)
    if release is None or release.state is not ReleaseState.READY or decision.desired.shifting is not None:
        return decision
    shares = (TrafficShare(release=release.number, weight=100),)
    return decision.changed(traffic=shares).emit_for(
        release,
        TrafficShifted(group=decision.desired.group, deployment=decision.desired.deployment, shares=shares),
    )


def _judge_starting(
    decision: Decision, release: DesiredRelease, observed: Observed
) -> tuple[Decision, DesiredRelease | None]:
    workloads = [decision.desired.workload(identifier) for identifier in release.workloads.values()]
    known = [each for each in workloads if each is not None]
    if len(known) == len(workloads) and all(_enough_ready(release, each, observed) for each in known):
        decision = decision.moved(release, ReleaseState.READY, deadline_at=None).emit_for(
            release,
            ReleaseReady(
                group=decision.desired.group, deployment=decision.desired.deployment, release=release.number
            ),
        )
        return decision, decision.desired.release(release.number)
    facts = [
        (each, fact)
        for each in known
        for slot in range(len(each.crashes))
        if (fact := _fact(observed, each, slot)) is not None
    ]
    for each, fact in facts:
        if fact.state is ReplicaState.BLOCKED:
            return _failed(decision.fail(release, image_failure(fact))), None
        crashes = each.crashes[each.workload.replica_ids.index(fact.replica)]
        if fact.state in _ENDED and _attempts_used_up(decision, each, crashes):
            return _failed(decision.fail(release, exit_failure(fact, crashes + 1))), None
    if is_late(release, decision.at):
        late = next((fact for _, fact in facts if fact.state is not ReplicaState.READY), None)
        tail = observed.log_tails.get((late.workload, late.replica), ()) if late else ()
        failure = deadline_failure(release, late, tail, decision.at)
        return _failed(decision.fail(release, failure)), None
    return decision, release


def is_late(release: DesiredRelease, at: datetime) -> bool:
    """Whether the replicas of this release should have been ready by now."""
    starting = release.state is ReleaseState.STARTING
    return starting and release.deadline_at is not None and at >= release.deadline_at


def _failed(decision: Decision) -> Decision:
    clean = pruned(decision.desired, decision.at)
    return decision.changed(workloads=clean.workloads, removed=clean.removed)


def _enough_ready(release: DesiredRelease, each: DesiredWorkload, observed: Observed) -> bool:
    facts = [_fact(observed, each, slot) for slot in range(len(each.crashes))]
    ready = sum(1 for fact in facts if fact is not None and fact.state is ReplicaState.READY)
    wanted = 1 if each.workload.fixed_port else release.config.replicas
    return ready >= wanted


def _finish_shift(decision: Decision, observed: Observed) -> Decision:
    """The gateways send requests to the release that was shifted: it is live, and the one before drains."""
    release = decision.desired.shifting
    if release is None or not observed.applied:
        return decision
    owner = {"group": decision.desired.group, "deployment": decision.desired.deployment}
    before = decision.desired.live
    decision = (
        decision.moved(release, ReleaseState.LIVE)
        .changed(failed=False)
        .emit_for(
            release,
            ReleaseLive(
                **owner,
                release=release.number,
                seconds=max(0.0, (decision.at - release.created_at).total_seconds()),
            ),
            OperationSucceeded(**owner, operation=release.operation),
        )
    )
    if before is None:
        return decision
    decision = drained(decision, before)
    clean = pruned(decision.desired, decision.at)
    return decision.changed(workloads=clean.workloads, removed=clean.removed)


def _retire_drained(decision: Decision, observed: Observed) -> Decision:
    in_use = {
        workload
        for release in decision.desired.releases
        if release.state is not ReleaseState.DRAINING
        for workload in release.workloads.values()
    }
    existing = {each.workload.id for each in decision.desired.workloads}
    for release in decision.desired.releases:
        if release.state is not ReleaseState.DRAINING:
            continue
        own = (set(release.workloads.values()) - in_use) & existing
        overdue = release.deadline_at is not None and decision.at >= release.deadline_at
        if overdue or (observed.applied and all(observed.idle(workload) for workload in own)):
            decision = _retired(decision, release)
    return decision


def _retired(decision: Decision, release: DesiredRelease) -> Decision:
    decision = decision.without_release(release.number).emit_for(
        release,
        ReleaseRetired(
            group=decision.desired.group, deployment=decision.desired.deployment, release=release.number
        ),
    )
    clean = pruned(decision.desired, decision.at)
    return decision.changed(workloads=clean.workloads, removed=clean.removed)


def _trim(decision: Decision, observed: Observed) -> Decision:
    workloads = tuple(
        trimmed(each) if _may_trim(decision, each, observed) else each for each in decision.desired.workloads
    )
    return decision if workloads == decision.desired.workloads else decision.changed(workloads=workloads)


def _may_trim(decision: Decision, each: DesiredWorkload, observed: Observed) -> bool:
    surplus = each.workload.replica_ids[each.serving :]
    if not surplus:
        return False
    overdue = each.drain_until is not None and decision.at >= each.drain_until
    return overdue or all(observed.left(each.workload.id, replica) for replica in surplus)


def _forget_removed(decision: Decision, observed: Observed) -> Decision:
    """Forget a removed workload when all its replicas ended, or when none was ever seen for a while."""
    left = []
    for removed in decision.desired.removed:
        facts = [fact for (workload, _), fact in observed.replicas.items() if workload == removed.id]
        unseen = not facts and decision.at >= removed.since + FORGET_UNSEEN_AFTER
        if not (unseen or (facts and all(fact.state is ReplicaState.GONE for fact in facts))):
            left.append(removed)
    if len(left) == len(decision.desired.removed):
        return decision
    return decision.changed(removed=tuple(left))


def _finish_ending(decision: Decision) -> Decision:
    desired = decision.desired
    if desired.wanted is Wanted.RUNNING or desired.ending is None:
        return decision
    if desired.releases or desired.workloads or desired.removed:
        return decision
    owner = {"group": desired.group, "deployment": desired.deployment}
    return decision.changed(ended=True, ending=None).emit(
        DeploymentEnded(**owner, wanted=desired.wanted),
        OperationSucceeded(**owner, operation=desired.ending),
        operation=desired.ending,
        traceparent=None,
    )
