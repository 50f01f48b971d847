"""What nothing needs goes: drained releases, surplus slots, removed workloads, whole deployments. Pure."""

from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import DesiredRelease, DesiredWorkload, RemovedWorkload
from slipway_contracts.events import DeploymentEnded, OperationFailed, OperationSucceeded, ReleaseRetired
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaState

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import ending_failure
from slipway_deployer.desired.needs import drains, named
from slipway_deployer.desired.observed import Observed
from slipway_deployer.desired.workloads import trimmed

FORGET_UNSEEN_AFTER: Final = timedelta(seconds=20)


def retire_drained(decision: Decision, observed: Observed) -> Decision:
    """Retire the releases that the gateways wait for no more, or have waited for long enough."""
    names = named(decision.desired)
    draining = [each for each in decision.desired.releases if drains(each, names)]
    in_use = {
        workload
        for release in decision.desired.releases
        if release not in draining
        for workload in release.workloads.values()
    }
    existing = {each.workload.id for each in decision.desired.workloads}
    for release in draining:
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


def trim(decision: Decision, observed: Observed) -> Decision:
    """Give up the slots that were scaled away and have answered all they had."""
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


def forget_removed(decision: Decision, observed: Observed) -> Decision:
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


def finish_ending(decision: Decision, observed: Observed) -> Decision:
    """End a stop, delete or purge when nothing is left; say so where that takes too long."""
    desired = decision.desired
    if desired.wanted is Wanted.RUNNING or desired.ended:
        return decision
    if desired.releases or desired.workloads or desired.removed:
        return _overdue(decision, observed)
    if desired.unloading is not None:
        decision = decision.emit_for_ending(desired.unloading).changed(kept_versions=())
    event = DeploymentEnded(**decision.owner, wanted=desired.wanted)
    decision = decision.emit_for_ending(event)
    if desired.ending is not None:
        done = OperationSucceeded(**decision.owner, operation=desired.ending)
        decision = decision.emit_for_ending(done)
    decision = decision.changed(
        ended=True, ending=None, ending_deadline_at=None, ending_traceparent=None, unloading=None
    )
    return _erased(decision) if desired.wanted is Wanted.PURGED else decision


def _erased(decision: Decision) -> Decision:
    """Keep of a purged deployment only the number of its next release."""
    return decision.changed(
        parked=(),
        pins=(),
        kept_versions=(),
        settings=DeploymentSettings(),
        former_names=(),
        failed=False,
        crash_loop=None,
    )


def _overdue(decision: Decision, observed: Observed) -> Decision:
    """The operation fails and names what is left; the work goes on, and the state follows it."""
    desired = decision.desired
    if desired.ending is None or desired.ending_deadline_at is None:
        return decision
    if decision.at < desired.ending_deadline_at:
        return decision
    failure = ending_failure(desired, observed.replicas, decision.at)
    event = OperationFailed(**decision.owner, operation=desired.ending, failure=failure)
    return decision.emit_for_ending(event).changed(ending=None, ending_deadline_at=None)
