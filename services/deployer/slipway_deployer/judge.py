"""What the observations mean for the desired state: ready, failed, drained, gone. Pure.

Every rule looks at levels (the latest record of each replica and gateway), never at edges, so that a
judgement can be repeated, and one that was missed is made later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.desired import DesiredRelease, DesiredWorkload, RemovedWorkload
from slipway_contracts.events import (
    DeploymentEnded,
    OperationFailed,
    OperationSucceeded,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
)
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.decision import Decision
from slipway_deployer.diagnosis import deadline_failure, exit_failure, image_failure, traffic_failure
from slipway_deployer.workloads import restarted, trimmed

START_ATTEMPTS: Final = 3
FIRST_BACK_OFF: Final = timedelta(milliseconds=200)
LONGEST_BACK_OFF: Final = timedelta(seconds=30)
STABLE_AFTER: Final = timedelta(seconds=60)
FORGET_UNSEEN_AFTER: Final = timedelta(seconds=20)
_ENDED: Final = frozenset({ReplicaState.EXITED, ReplicaState.GONE})


@dataclass(frozen=True)
class Observed:
    """The latest records about one deployment."""

    deployment: str
    revision: int
    reconciled: bool = False
    """Whether the engine has taken every wish of this revision."""
    replicas: Mapping[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    gateways: tuple[GatewayRecord, ...] = ()
    log_tails: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of replicas that are late; the fact of one that ended has its own."""

    @property
    def applied(self) -> bool:
        """Whether every known gateway, and at least one, sends requests as this revision says."""
        return bool(self.gateways) and all(
            each.has_applied(self.deployment, self.revision) for each in self.gateways
        )

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
    drains = _draining_only(decision)
    for index, each in enumerate(workloads):
        if each.workload.id in drains:
            continue
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


def _draining_only(decision: Decision) -> set[str]:
    """Return the workloads that get no new requests any more."""
    used = {True: set[str](), False: set[str]()}
    for release in decision.desired.releases:
        used[release.state is ReleaseState.DRAINING].update(release.workloads.values())
    return used[True] - used[False]


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
    if is_late(release, decision.at):
        return _fail_late(decision, release, observed)
    if release.state is ReleaseState.STARTING:
        decision, release = _judge_starting(decision, release, observed)
    if release is None or release.state is not ReleaseState.READY or decision.desired.shifting is not None:
        return decision
    # It may have waited for an earlier shift: what was ready then has to be ready now.
    if not _all_ready(decision, release, observed):
        return decision
    deadline = decision.at + timedelta(seconds=release.config.deadline_seconds)
    return decision.with_release(release.model_copy(update={"deadline_at": deadline})).shifted_to(
        release, operation=release.operation, traceparent=release.traceparent
    )


def _judge_starting(
    decision: Decision, release: DesiredRelease, observed: Observed
) -> tuple[Decision, DesiredRelease | None]:
    if _all_ready(decision, release, observed):
        decision = decision.moved(release, ReleaseState.READY).emit_for(
            release, ReleaseReady(**decision.owner, release=release.number)
        )
        return decision, decision.desired.release(release.number)
    for each, fact in _facts(decision, release, observed):
        if fact.state is ReplicaState.BLOCKED:
            return decision.fail(release, image_failure(fact)), None
        crashes = each.crashes[each.workload.replica_ids.index(fact.replica)]
        if fact.state in _ENDED and _attempts_used_up(decision, each, crashes):
            return decision.fail(release, exit_failure(fact, crashes + 1)), None
    return decision, release


def _fail_late(decision: Decision, release: DesiredRelease, observed: Observed) -> Decision:
    facts = [fact for _, fact in _facts(decision, release, observed)]
    late = next((fact for fact in facts if fact.state is not ReplicaState.READY), None)
    tail = observed.log_tails.get((late.workload, late.replica), ()) if late else ()
    return decision.fail(release, deadline_failure(release, late, tail, decision.at))


def is_late(release: DesiredRelease, at: datetime) -> bool:
    """Whether this release should have gone on by now."""
    return release.deadline_at is not None and at >= release.deadline_at


def _workloads(decision: Decision, release: DesiredRelease) -> list[DesiredWorkload]:
    wanted = set(release.workloads.values())
    return [each for each in decision.desired.workloads if each.workload.id in wanted]


def _facts(
    decision: Decision, release: DesiredRelease, observed: Observed
) -> list[tuple[DesiredWorkload, ReplicaFact]]:
    return [
        (each, fact)
        for each in _workloads(decision, release)
        for slot in range(len(each.crashes))
        if (fact := _fact(observed, each, slot)) is not None
    ]


def _all_ready(decision: Decision, release: DesiredRelease, observed: Observed) -> bool:
    known = _workloads(decision, release)
    return len(known) == len(set(release.workloads.values())) and all(
        _enough_ready(release, each, observed) for each in known
    )


def _enough_ready(release: DesiredRelease, each: DesiredWorkload, observed: Observed) -> bool:
    facts = [_fact(observed, each, slot) for slot in range(each.serving)]
    ready = sum(1 for fact in facts if fact is not None and fact.state is ReplicaState.READY)
    wanted = 1 if each.workload.fixed_port else release.config.replicas
    return ready >= wanted


def _finish_shift(decision: Decision, observed: Observed) -> Decision:
    """The gateways send requests to the release that was shifted: it is live, and the one before drains."""
    release = decision.desired.shifting
    if release is None:
        return decision
    if not observed.applied:
        return _give_up_shift(decision, release, observed) if is_late(release, decision.at) else decision
    before = decision.desired.live
    seconds = max(0.0, (decision.at - release.created_at).total_seconds())
    decision = (
        decision.moved(release, ReleaseState.LIVE, deadline_at=None)
        .changed(failed=False)
        .emit_for(
            release,
            ReleaseLive(**decision.owner, release=release.number, seconds=seconds),
            OperationSucceeded(**decision.owner, operation=release.operation),
        )
    )
    return decision if before is None else decision.drained(before).pruned()


def _give_up_shift(decision: Decision, release: DesiredRelease, observed: Observed) -> Decision:
    """No gateway said in time that it sends requests there: they go back to what served."""
    silent = [
        each.gateway
        for each in observed.gateways
        if not each.has_applied(observed.deployment, observed.revision)
    ]
    failure = traffic_failure(release, silent, decision.at)
    return (
        decision.shifted_back(release)
        .changed(failed=decision.desired.live is None)
        .emit_for(release, OperationFailed(**decision.owner, operation=release.operation, failure=failure))
    )


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
    return (
        decision.without_release(release.number)
        .pruned()
        .emit_for(release, ReleaseRetired(**decision.owner, release=release.number))
    )


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
    """Forget a removed workload when the engine took that wish and its last replicas are gone.

    A replica that was wished for and never seen counts as gone after a while.
    """
    if not observed.reconciled:
        return decision
    left = tuple(each for each in decision.desired.removed if not _is_gone(each, observed, decision.at))
    return decision if left == decision.desired.removed else decision.changed(removed=left)


def _is_gone(removed: RemovedWorkload, observed: Observed, at: datetime) -> bool:
    facts = [observed.replicas.get((removed.id, replica)) for replica in removed.replicas]
    unseen_is_gone = at >= removed.since + FORGET_UNSEEN_AFTER
    return all(unseen_is_gone if fact is None else fact.state is ReplicaState.GONE for fact in facts)


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
