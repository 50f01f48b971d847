"""Which workloads the kept releases need, and how many of their slots serve. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload, RemovedWorkload
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.version import Version
from slipway_contracts.workload import Workload


def workloads_of(desired: Desired, release: DesiredRelease, version: Version) -> dict[str, Workload]:
    """Return the workload of each endpoint; an endpoint with a fixed port gets one replica."""
    return {
        endpoint.name: Workload.of(
            group=desired.group,
            deployment=desired.deployment,
            target=release.config.target,
            endpoint=endpoint,
            environment=release.config.environment,
            size=release.config.size,
            replicas=1 if endpoint.fixed_port else release.config.replicas,
        ).model_copy(update={"traceparent": release.traceparent})
        for endpoint in version.endpoints
    }


def with_workloads(desired: Desired, wanted: list[Workload], at: datetime) -> Desired:
    """Add these workloads, or slots to those that exist.

    A workload of another release that holds a fixed port which is wanted now makes room: the only case in
    which a replica goes before its successor is ready.
    """
    ports = {each.fixed_port for each in wanted if each.fixed_port is not None}
    back = {each.id for each in wanted}
    in_the_way = [
        each
        for each in desired.workloads
        if each.workload.fixed_port in ports and each.workload.id not in back
    ]
    kept = {each.workload.id: each for each in desired.workloads if each not in in_the_way}
    for workload in wanted:
        kept[workload.id] = _grown(kept.get(workload.id), workload)
    removed = [each for each in desired.removed if each.id not in back]
    removed += [_removed(each, at) for each in in_the_way]
    return desired.model_copy(update={"workloads": tuple(kept.values()), "removed": tuple(removed)})


def _grown(existing: DesiredWorkload | None, wanted: Workload) -> DesiredWorkload:
    if existing is None:
        count = len(wanted.slots)
        return DesiredWorkload(workload=wanted, serving=count, crashes=(0,) * count)
    missing = len(wanted.slots) - len(existing.workload.slots)
    slots = existing.workload.slots + (1,) * missing
    return existing.model_copy(
        update={
            "workload": existing.workload.model_copy(update={"slots": slots}),
            "crashes": existing.crashes + (0,) * missing,
            "serving": max(existing.serving, len(wanted.slots)),
            "drain_until": None if len(wanted.slots) >= len(slots) else existing.drain_until,
        }
    )


def pruned(desired: Desired, at: datetime) -> Desired:
    """Drop what no kept release needs, and scale down to what the kept ones need.

    What the serving release gave up for a fixed port comes back when its successor is gone.
    """
    desired = _restored(desired, at)
    needs = _needs(desired)
    kept = tuple(
        _scaled(desired, each, needs[each.workload.id], at)
        for each in desired.workloads
        if each.workload.id in needs
    )
    gone = tuple(_removed(each, at) for each in desired.workloads if each.workload.id not in needs)
    return desired.model_copy(update={"workloads": kept, "removed": desired.removed + gone})


def _restored(desired: Desired, at: datetime) -> Desired:
    serving = desired.shifting or desired.live
    if serving is None or serving.version is None or desired.unfinished is not None:
        return desired
    wanted = workloads_of(desired, serving, serving.version).values()
    lost = [each for each in wanted if desired.workload(each.id) is None]
    return with_workloads(desired, lost, at) if lost else desired


def _removed(each: DesiredWorkload, at: datetime) -> RemovedWorkload:
    return RemovedWorkload(id=each.workload.id, since=at, replicas=each.workload.replica_ids)


def _needs(desired: Desired) -> dict[str, int]:
    """Return how many replicas of each workload the kept releases need; a draining one keeps, not serves."""
    needs: dict[str, int] = {}
    for release in desired.releases:
        serves = release.state is not ReleaseState.DRAINING
        for workload in release.workloads.values():
            needs[workload] = max(needs.get(workload, 0), release.config.replicas if serves else 0)
    return needs


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

    A workload that comes back goes on behind its earlier life; one that went and came back within one
    decision never went.
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
    counts = list(each.crashes)
    counts[slot] = crashes
    return each.model_copy(
        update={
            "workload": each.workload.model_copy(update={"slots": tuple(slots)}),
            "crashes": tuple(counts),
        }
    )
