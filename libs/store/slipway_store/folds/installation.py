"""The folds of what belongs to the installation: targets, instance types, keys."""

from slipway_contracts.installation_events import (
    InstanceTypeConfigured,
    KeyConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
)

from slipway_store.rows import InstanceTypeRow, KeyRow, TargetRow
from slipway_store.told import Told


def target(
    row: TargetRow | None, event: TargetAnnounced | TargetLost | TargetFound, logged: Told
) -> TargetRow:
    """Fold an event of a target."""
    known = row or TargetRow(name=event.target, sequence=logged.sequence)
    match event:
        case TargetAnnounced():
            changes: dict[str, object] = {
                "engine": event.engine,
                "epoch": event.epoch,
                "cpu": event.cpu,
                "memory_bytes": event.memory_bytes,
                "gpu": event.gpu,
                "allocatable_cpu": event.allocatable_cpu,
                "allocatable_memory_bytes": event.allocatable_memory_bytes,
                "announced_at": logged.time,
            }
        case TargetLost():
            changes = {"lost_since": event.since}
        case TargetFound():
            changes = {"lost_since": None}
    return known.model_copy(update={**changes, "sequence": logged.sequence})


def instance_type(
    row: InstanceTypeRow | None, event: InstanceTypeConfigured, logged: Told
) -> InstanceTypeRow:
    """Take the new value of an instance type."""
    return InstanceTypeRow(
        name=event.name,
        description=event.description,
        size=event.size,
        node_selector=event.node_selector,
        removed=event.removed,
        created_at=row.created_at if row else logged.time,
        changed_at=logged.time,
        changed_by=event.by,
        sequence=logged.sequence,
    )


def key(row: KeyRow | None, event: KeyConfigured, logged: Told) -> KeyRow:
    """Take the new value of an API key."""
    return KeyRow(
        id=event.key,
        digest=event.digest,
        user=event.user,
        grants=event.grants,
        revoked=event.revoked,
        created_at=row.created_at if row else logged.time,
        changed_at=logged.time,
        sequence=logged.sequence,
    )
