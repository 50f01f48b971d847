"""When to look at a deployment again although nothing happens. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from slipway_contracts.desired import Desired, DesiredWorkload
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.desired.needs import drains, named
from slipway_deployer.desired.observed import ENDED, HUNG_AFTER, restart_at
from slipway_deployer.judging.restarts import RECOVERED_AFTER
from slipway_deployer.judging.retirement import FORGET_UNSEEN_AFTER
from slipway_deployer.judging.rollout import WRONG_PORT_AFTER, listens_elsewhere


def next_look(desired: Desired, facts: Mapping[tuple[str, str], ReplicaFact]) -> datetime | None:
    """Return the earliest deadline or restart of this deployment; None where nothing is due."""
    return min((*_deadlines(desired), *_replicas(desired, facts)), default=None)


def _deadlines(desired: Desired) -> Iterator[datetime]:
    given = [each.deadline_at for each in desired.releases]
    given += [each.deadline_at for each in desired.moves]
    given += [each.drain_until for each in desired.workloads]
    given += [each.until for each in desired.former_names]
    given += [each.deadline_at for each in desired.settling]
    given.append(desired.ending_deadline_at)
    yield from (each for each in given if each is not None)
    for removed in desired.removed:
        yield removed.since + FORGET_UNSEEN_AFTER


def _replicas(desired: Desired, facts: Mapping[tuple[str, str], ReplicaFact]) -> Iterator[datetime]:
    names = named(desired)
    served = {
        workload
        for release in desired.releases
        if not drains(release, names)
        for workload in release.workloads.values()
    }
    for each in desired.workloads:
        if each.workload.id not in served:
            continue
        for slot, replica in enumerate(each.workload.replica_ids):
            fact = facts.get((each.workload.id, replica))
            if fact is not None:
                yield from _of_replica(desired, each, slot, fact)


def _of_replica(desired: Desired, each: DesiredWorkload, slot: int, fact: ReplicaFact) -> Iterator[datetime]:
    if fact.state in ENDED:
        yield restart_at(fact, each.crashes[slot])
    elif fact.state is ReplicaState.UNREADY:
        yield fact.at + HUNG_AFTER
    elif fact.state is ReplicaState.READY and desired.crash_loop is not None:
        yield fact.at + RECOVERED_AFTER
    if listens_elsewhere(fact) and _is_starting(desired, each):
        yield fact.at + WRONG_PORT_AFTER


def _is_starting(desired: Desired, each: DesiredWorkload) -> bool:
    return any(
        release.state is ReleaseState.STARTING and each.workload.id in release.workloads.values()
        for release in desired.releases
    )


def awaits_gateways(desired: Desired) -> bool:
    """Whether the next step of this deployment depends on what the gateways have applied."""
    return (
        bool(desired.shifting)
        or bool(desired.settling)
        or any(release.state is ReleaseState.DRAINING for release in desired.releases)
        or any(each.serving < len(each.workload.slots) for each in desired.workloads)
    )
