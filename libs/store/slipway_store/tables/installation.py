"""The tables of what the deployments of an installation share: groups and what they own, keys, targets."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index

from slipway_store.tables import columns


class GroupTable(columns.Base, table=True):
    """The groups, as last configured."""

    __tablename__ = "group"

    name: str = columns.key()
    description: str
    deployments_enabled: bool
    quota: Any = columns.json()
    members: Any = columns.json()
    created_at: datetime = columns.time()
    changed_at: datetime = columns.time()
    sequence: int = columns.number()


class InstanceTypeTable(columns.Base, table=True):
    """The instance types, as last configured."""

    __tablename__ = "instance_type"

    name: str = columns.key()
    description: str
    size: Any = columns.json()
    node_selector: Any = columns.json()
    removed: bool
    created_at: datetime = columns.time()
    changed_at: datetime = columns.time()
    changed_by: str
    sequence: int = columns.number()


class SecretTable(columns.Base, table=True):
    """The names of the groups' secrets, with their newest version; holds no value."""

    __tablename__ = "secret"

    group: str = columns.key()
    name: str = columns.key()
    version: int = columns.number()
    removed: bool
    created_at: datetime = columns.time()
    changed_at: datetime = columns.time()
    changed_by: str
    sequence: int = columns.number()


class ArtifactTable(columns.Base, table=True):
    """The artifacts that were adopted or hidden."""

    __tablename__ = "artifact"

    group: str = columns.key()
    digest: str = columns.key()
    name: str | None
    size_bytes: int | None = columns.number()
    adopted_at: datetime | None = columns.time()
    adopted_by: str | None
    hidden: bool
    changed_at: datetime = columns.time()
    changed_by: str
    sequence: int = columns.number()


class KeyTable(columns.Base, table=True):
    """The API keys, as last configured; holds digests, never keys."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "digest"),)

    id: str = columns.key()
    digest: str
    user: str
    grants: Any = columns.json()
    revoked: bool
    created_at: datetime = columns.time()
    changed_at: datetime = columns.time()
    sequence: int = columns.number()


class TargetTable(columns.Base, table=True):
    """The targets that monitors announced or lost."""

    __tablename__ = "target"

    name: str = columns.key()
    engine: str | None
    epoch: int | None = columns.number()
    cpu: float | None
    memory_bytes: int | None = columns.number()
    gpu: int = columns.number()
    allocatable_cpu: float | None
    allocatable_memory_bytes: int | None = columns.number()
    announced_at: datetime | None = columns.time()
    lost_since: datetime | None = columns.time()
    sequence: int = columns.number()
