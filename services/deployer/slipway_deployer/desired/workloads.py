"""The workloads of a desired state: added, given up, brought back, scaled and numbered. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload, RemovedWorkload
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.workload import Workload

from slipway_deployer.desired.needs import (
    beside,
    displaced,
    displaced_workloads,
    drains,
    named,
    replicas_needed,
    workloads_of,
)

_TAKES_OVER = frozenset({ReleaseState.STARTING, ReleaseState.READY})


def with_workloads(
    desired: Desired, wanted: list[Workload], at: datetime, *, without: frozenset[str] = frozenset()
) -> Desired:
    """Add these workloads, or slots to those that exist.

    What makes room for them goes at once: a workload of another release that holds a fixed port which is
    wanted now, and those in `without`.
    """
    ports = {each.fixed_port for each in wanted if each.fixed_port is not None}
    back = {each.id for each in wanted}
    in_the_way = [
        each
        for each in desired.workloads
        if each.workload.id not in back and (each.workload.fixed_port in ports or each.workload.id in without)
    ]
    kept = {each.workload.id: each for each in desired.workloads if each not in in_the_way}
    for workload in wanted:
        kept[workload.id] = _grown(kept.get(workload.id), workload)
    removed = [each for each in desired.removed if each.id not in back]
    removed += [_removed(each, at) for each in in_the_way]
    return desired.model_copy(update={"workloads": tuple(kept.values()), "removed": tuple(removed)})


def for_start(desired: Desired, release: DesiredRelease, at: datetime) -> Desired:
    """Add what this release needs; what it displaces makes room."""
    return _with_needs_of(desired, release, at, without=displaced_workloads(desired, release))


def for_return(desired: Desired, release: DesiredRelease, at: datetime) -> Desired:
    """Add what this release needs again; most of it runs still, so that nothing has to make room."""
    return _with_needs_of(desired, release, at, without=frozenset())


def _with_needs_of(
    desired: Desired, release: DesiredRelease, at: datetime, *, without: frozenset[str]
) -> Desired:
    if release.version is None:
        return desired
    wanted = workloads_of(desired, release, release.version)
    return with_workloads(desired, list(wanted.values()), at, without=without)


def taken_port(
    desired: Desired, release: DesiredRelease, *, among: frozenset[int] | None = None
) -> tuple[int, int] | None:
    """Return a fixed port that this release wants, and the release which keeps it; None where all is free.

    Args:
        desired: the record.
        release: wants its ports.
        among: the releases that stay; None: all but those that this one replaces.
    """
    if release.version is None:
        return None
    wanted = workloads_of(desired, release, release.version)
    ports = {each.fixed_port for each in wanted.values() if each.fixed_port is not None}
    own = {each.id for each in wanted.values()}
    staying = beside(desired, release) if among is None else among - {release.number}
    for other in desired.releases:
        if other.number not in staying:
            continue
        for endpoint in other.version.endpoints if other.version else ():
            if endpoint.fixed_port in ports and other.workloads.get(endpoint.name, "") not in own | {""}:
                return endpoint.fixed_port or 0, other.number
    return None


def _grown(existing: DesiredWorkload | None, wanted: Workload) -> DesiredWorkload:
    if existing is None:
        count = len(wanted.slots)
        return DesiredWorkload(workload=wanted, serving=count, crashes=(0,) * count)
    missing = len(wanted.slots) - len(existing.workload.slots)
    slots = existing.workload.slots + (1,) * missing
    return existing.model_copy(
        update={
            "workload": existing.workload.model_copy(
                update={"slots": slots, "traceparent": wanted.traceparent}
                if missing > 0
                else {"slots": slots}
            ),
            "crashes": existing.crashes + (0,) * missing,
            "serving": max(existing.serving, len(wanted.slots)),
            "drain_until": None if len(wanted.slots) >= len(slots) else existing.drain_until,
        }
    )


def pruned(desired: Desired, at: datetime) -> Desired:
    """Drop what no kept release needs, and scale down to what the kept ones need.

    What a serving release gave up to make room comes back when its successor is gone.
    """
    desired = _restored(desired, at)
    needs = replicas_needed(desired)
    kept = tuple(
        _scaled(desired, each, needs[each.workload.id], at)
        for each in desired.workloads
        if each.workload.id in needs
    )
    gone = tuple(_removed(each, at) for each in desired.workloads if each.workload.id not in needs)
    return desired.model_copy(update={"workloads": kept, "removed": desired.removed + gone})


def _restored(desired: Desired, at: datetime) -> Desired:
    for release in _keepers(desired):
        wanted = workloads_of(desired, release, release.version) if release.version else {}
        lost = [
            workload
            for workload in wanted.values()
            if _slots(desired.workload(workload.id)) < len(workload.slots)
            and not _port_is_held(desired, workload)
        ]
        if lost:
            desired = with_workloads(desired, lost, at)
    return desired


def _keepers(desired: Desired) -> list[DesiredRelease]:
    """Return the releases that should have all their workloads, the newest first."""
    names = named(desired)
    making_room = frozenset[int]().union(
        *(displaced(desired, each) for each in desired.releases if each.state in _TAKES_OVER)
    )
    return [
        each
        for each in reversed(desired.releases)
        if each.workloads and each.number in names and each.number not in making_room
    ]


def _port_is_held(desired: Desired, workload: Workload) -> bool:
    if workload.fixed_port is None:
        return False
    names = named(desired)
    in_use = {
        identifier
        for release in desired.releases
        if not drains(release, names)
        for identifier in release.workloads.values()
    }
    return any(
        each.workload.fixed_port == workload.fixed_port
        and each.workload.id in in_use
        and each.workload.id != workload.id
        for each in desired.workloads
    )


def _removed(each: DesiredWorkload, at: datetime) -> RemovedWorkload:
    return RemovedWorkload(id=each.workload.id, since=at, replicas=each.workload.replica_ids)


def _scaled(desired: Desired, each: DesiredWorkload, need: int, at: datetime) -> DesiredWorkload:
    """Take requests from surplus slots; a workload that only drains keeps all of its slots."""
    need = min(len(each.workload.slots), need) or each.serving
    if need >= each.serving:
        return each
    patience = max(
        (
            endpoint.timeout_seconds
            for release in desired.releases
            for endpoint in (release.version.endpoints if release.version else ())
            if release.workloads.get(endpoint.name) == each.workload.id
        ),
        default=0.0,
    )
    return each.model_copy(update={"serving": need, "drain_until": at + timedelta(seconds=patience)})


def numbered(
    desired: Desired, before: Desired | None, facts: Mapping[tuple[str, str], ReplicaFact]
) -> Desired:
    """Let attempts only grow.

    A workload or slot that comes back goes on behind its earlier life, which `facts` tell; one that went and
    came back within one decision never went.
    """
    workloads = tuple(
        _numbered(each, before.workload(each.workload.id) if before else None, facts)
        for each in desired.workloads
    )
    return desired.model_copy(update={"workloads": workloads})


def _numbered(
    each: DesiredWorkload, before: DesiredWorkload | None, facts: Mapping[tuple[str, str], ReplicaFact]
) -> DesiredWorkload:
    known = before.workload.slots if before else ()
    last = dict.fromkeys(range(len(each.workload.slots)), 0)
    for workload, replica in facts:
        slot, _, attempt = replica.partition("-")
        if workload == each.workload.id and int(slot) in last:
            last[int(slot)] = max(last[int(slot)], int(attempt))
    slots = tuple(
        max(attempt, known[slot]) if slot < len(known) else max(attempt, last[slot] + 1)
        for slot, attempt in enumerate(each.workload.slots)
    )
    return each.model_copy(update={"workload": each.workload.model_copy(update={"slots": slots})})


def grown(before: Desired | None, desired: Desired) -> list[str]:
    """Return the workloads that have slots which they did not have before."""
    return [
        each.workload.id
        for each in desired.workloads
        if len(each.workload.slots) > _slots(before.workload(each.workload.id) if before else None)
    ]


def _slots(each: DesiredWorkload | None) -> int:
    return len(each.workload.slots) if each else 0


def trimmed(each: DesiredWorkload) -> DesiredWorkload:
    """Give up the slots that no longer serve."""
    return each.model_copy(
        update={
            "workload": each.workload.model_copy(update={"slots": each.workload.slots[: each.serving]}),
            "crashes": each.crashes[: each.serving],
            "drain_until": None,
        }
    )


def restarted(each: DesiredWorkload, slot: int, crashes: int) -> DesiredWorkload:
    """Raise the attempt of one slot: the engine starts a new process for it."""
    slots = list(each.workload.slots)
    slots[slot] += 1
    return calmed(
        each.model_copy(update={"workload": each.workload.model_copy(update={"slots": tuple(slots)})}),
        [slot],
        crashes,
    )


def calmed(each: DesiredWorkload, slots: Iterable[int], crashes: int = 0) -> DesiredWorkload:
    """Set the crashes in a row of these slots."""
    counts = list(each.crashes)
    for slot in slots:
        counts[slot] = crashes
    return each.model_copy(update={"crashes": tuple(counts)})
