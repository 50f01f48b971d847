"""The folds of what belongs to a group: itself, its secrets, its artifacts."""

from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    GroupConfigured,
    SecretConfigured,
)

from slipway_store.rows import ArtifactRow, GroupRow, SecretRow
from slipway_store.told import Told


def group(row: GroupRow | None, event: GroupConfigured, logged: Told) -> GroupRow:
    """Take the new value of a group."""
    return GroupRow(
        name=event.group,
        description=event.description,
        deployments_enabled=event.deployments_enabled,
        quota=event.quota,
        members=event.members,
        created_at=row.created_at if row else logged.time,
        changed_at=logged.time,
        sequence=logged.sequence,
    )


def secret(row: SecretRow | None, event: SecretConfigured, logged: Told) -> SecretRow:
    """Take the newest version of a secret, or that it is gone; a late older one changes neither."""
    late = row is not None and event.version < row.version
    return SecretRow(
        group=event.group,
        name=event.secret,
        version=row.version if row and late else event.version,
        removed=row.removed if row and late else event.removed,
        created_at=row.created_at if row else logged.time,
        changed_at=logged.time,
        changed_by=event.by,
        sequence=logged.sequence,
    )


def artifact(row: ArtifactRow | None, event: ArtifactAdopted | ArtifactHidden, logged: Told) -> ArtifactRow:
    """Fold an event of an artifact; adopting shows a hidden one again."""
    known = row or ArtifactRow(
        group=event.group,
        digest=event.digest,
        changed_at=logged.time,
        changed_by=event.by,
        sequence=logged.sequence,
    )
    match event:
        case ArtifactAdopted():
            changes: dict[str, object] = {
                "name": event.name,
                "size_bytes": event.size_bytes,
                "adopted_at": logged.time,
                "adopted_by": event.by,
                "hidden": False,
            }
        case ArtifactHidden():
            changes = {"hidden": event.hidden}
    changes |= {"changed_at": logged.time, "changed_by": event.by, "sequence": logged.sequence}
    return known.model_copy(update=changes)
