"""When to look at a deployment again although nothing happens. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.judge import FORGET_UNSEEN_AFTER, restart_at

_ENDED = frozenset({ReplicaState.EXITED, ReplicaState.GONE})


def next_look(desired: Desired, facts: Mapping[tuple[str, str], ReplicaFact]) -> datetime | None:
    """Return the earliest deadline or restart of this deployment; None where nothing is due."""
    return min(_times(desired, facts), default=None)


def _times(desired: Desired, facts: Mapping[tuple[str, str], ReplicaFact]) -> Iterator[datetime]:
    for release in desired.releases:
        if release.deadline_at is not None:
            yield release.deadline_at
    for each in desired.workloads:
        if each.drain_until is not None:
            yield each.drain_until
        for replica, crashes in zip(each.workload.replica_ids, each.crashes, strict=True):
            fact = facts.get((each.workload.id, replica))
            if fact is not None and fact.state in _ENDED:
                yield restart_at(fact, crashes)
    for removed in desired.removed:
        yield removed.since + FORGET_UNSEEN_AFTER


def awaits_gateways(desired: Desired) -> bool:
    """Whether the next move of this deployment depends on what the gateways have applied."""
    return (
        desired.shifting is not None
        or any(release.state is ReleaseState.DRAINING for release in desired.releases)
        or any(each.serving < len(each.workload.slots) for each in desired.workloads)
    )
