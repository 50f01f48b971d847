"""The folds of what belongs to the installation: targets, groups, keys."""

from slipway_contracts.events import (
    GroupConfigured,
    KeyConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
)
from slipway_store.rows import GroupRow, KeyRow, TargetRow

from slipway_projector.logged import Logged


def target(
    row: TargetRow | None, event: TargetAnnounced | TargetLost | TargetFound, logged: Logged
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
                "announced_at": logged.time,
            }
        case TargetLost():
            changes = {"lost_since": event.since}
        case TargetFound():
            changes = {"lost_since": None}
    return known.model_copy(update={**changes, "sequence": logged.sequence})


def group(row: GroupRow | None, event: GroupConfigured, logged: Logged) -> GroupRow:
    """Take the new value of a group."""
    return GroupRow(
        name=event.group,
        description=event.description,
        created_at=row.created_at if row else logged.time,
        changed_at=logged.time,
        sequence=logged.sequence,
    )


def key(row: KeyRow | None, event: KeyConfigured, logged: Logged) -> KeyRow:
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
