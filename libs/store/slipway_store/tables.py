"""The tables of the projection: the one truth of the schema, from which migrations are generated.

Imported by migrations and tests only; a running process reads and writes the row models of `rows`.
Every value comes from the log: no default, no serial and no clock of the database.
"""

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import BigInteger, Column, DateTime, Index, MetaData, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(SQLModel):
    """The root of all tables."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING)


def _key(**options: Any) -> Any:  # noqa: ANN401
    return Field(primary_key=True, **options)


def _number_key() -> Any:  # noqa: ANN401
    return Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})


def _number(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=BigInteger, **options)


def _time(**options: Any) -> Any:  # noqa: ANN401
    return Field(sa_type=DateTime(timezone=True), **options)


def _json(*, nullable: bool = False) -> Any:  # noqa: ANN401
    return Field(sa_type=JSONB, nullable=nullable)


def _of_listed(*columns: str) -> Index:
    """Return an index of the deployments that lists show."""
    return Index(f"ix_deployment_listed_{'_'.join(columns)}", *columns, postgresql_where=text("listed"))


def _of_charges(*columns: str) -> Index:
    """Return an index from which alone the charges can be summed."""
    resources = ("deployments", "replicas", "cpu", "memory_bytes", "gpu")
    return Index(
        f"ix_deployment_charge_{'_'.join(columns)}",
        *columns,
        postgresql_include=[f"charge_{resource}" for resource in resources],
        postgresql_where=text("charge_deployments > 0"),
    )


class EventTable(Base, table=True):
    """Every message of the log, as it came; `group` and `deployment` are null where the subject has none."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "group", "deployment", "sequence"),
        UniqueConstraint("id"),
        Index("ix_event_asked", "sequence", postgresql_where=text("origin is not null")),
        Index("ix_event_asked_in", "group", "sequence", postgresql_where=text("origin is not null")),
        Index("ix_event_dead", "sequence", postgresql_where=text("type like 'message.%'")),
    )

    sequence: int = _number_key()
    id: str
    type: str
    subject: str
    group: str | None
    deployment: str | None
    source: str
    time: datetime = _time()
    causation_id: str | None
    correlation_id: str | None
    traceparent: str | None
    origin: Any = _json(nullable=True)
    body: Any = _json()


class DeploymentTable(Base, table=True):
    """The status of a deployment, the facts from which it follows, and what it is found by.

    Every order of the list has an index of what is listed: a page costs the same, however many there are.
    """

    __tablename__ = "deployment"
    __table_args__ = (
        Index(None, "target"),
        _of_listed("group", "id"),
        _of_listed("group", "created_at", "id"),
        _of_listed("group", "changed_at", "id"),
        _of_listed("created_at", "group", "id"),
        _of_listed("changed_at", "group", "id"),
        _of_listed("target", "group", "id"),
        _of_listed("version_label", "group", "id"),
        _of_listed("created_by", "group", "id"),
        Index(None, "state", "group", "id"),
        _of_charges("group", "id"),
        _of_charges("target"),
        Index(
            None,
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_with={"fastupdate": "off"},
        ),
        Index(
            "ix_deployment_words",
            text("array_to_tsvector(string_to_array(words, ' '))"),
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        ),
    )

    group: str = _key()
    id: str = _key()
    name: str
    description: str
    metadata_: Any = Field(sa_column=Column("metadata", JSONB, nullable=False))
    state: str
    wanted: str
    ready: int = _number()
    replicas: int = _number()
    live_release: int | None = _number()
    version_label: str | None
    target: str | None
    endpoints: Any = _json()
    aliases: Any = _json()
    pins: Any = _json()
    deleted: str | None
    crash_loop: Any = _json(nullable=True)
    charge_deployments: int = _number()
    charge_replicas: int = _number()
    charge_cpu: float
    charge_memory_bytes: int = _number()
    charge_gpu: int = _number()
    last_command: int = _number()
    created_at: datetime = _time()
    created_by: str
    changed_at: datetime = _time()
    sequence: int = _number()
    settings: Any = _json()
    former_names: Any = _json()
    words: str
    listed: bool
    facts: Any = _json()


class MetadataTable(Base, table=True):
    """The pairs of the deployments' metadata, in the order of lists by pair."""

    __tablename__ = "deployment_metadata"
    __table_args__ = (Index(None, "pair", "group", "deployment"),)

    group: str = _key()
    deployment: str = _key()
    key: str = _key()
    pair: str | None
    sequence: int = _number()


class ReleaseTable(Base, table=True):
    """The releases of a deployment: its history."""

    __tablename__ = "release"

    group: str = _key()
    deployment: str = _key()
    number: int = _number_key()
    state: str
    operation: str
    cause: str
    alias: str
    copy_of: int | None = _number()
    pinned: bool
    instance_type: str | None
    version: Any = _json(nullable=True)
    version_id: str | None
    version_label: str | None
    build: str | None
    config: Any = _json()
    workloads: Any = _json()
    created_at: datetime = _time()
    created_by: str
    started_at: datetime | None = _time()
    ready_at: datetime | None = _time()
    live_at: datetime | None = _time()
    retired_at: datetime | None = _time()
    ended_at: datetime | None = _time()
    deadline_at: datetime | None = _time()
    failure: Any = _json(nullable=True)
    sequence: int = _number()


class AliasChangeTable(Base, table=True):
    """Every change of where an alias points."""

    __tablename__ = "alias_change"
    __table_args__ = (Index(None, "group", "deployment", "sequence"),)

    group: str = _key()
    deployment: str = _key()
    alias: str = _key()
    sequence: int = _number_key()
    shares: Any = _json()
    at: datetime = _time()
    operation: str | None
    by: str | None


class BuildTable(Base, table=True):
    """The builds of a deployment."""

    __tablename__ = "build"
    __table_args__ = (Index(None, "group", "deployment", "accepted"), Index(None, "accepted"))

    id: str = _key()
    group: str
    deployment: str
    state: str
    source: str
    label: str | None
    created_at: datetime = _time()
    created_by: str
    started_at: datetime | None = _time()
    ended_at: datetime | None = _time()
    deadline_at: datetime | None = _time()
    steps: Any = _json()
    version_id: str | None
    failure: Any = _json(nullable=True)
    accepted: int = _number()
    sequence: int = _number()


class VersionTable(Base, table=True):
    """The versions of a deployment."""

    __tablename__ = "version"
    __table_args__ = (Index(None, "group", "deployment", "label"), Index(None, "group", "deployment", "made"))

    id: str = _key()
    group: str
    deployment: str
    label: str
    body: Any = _json()
    created_at: datetime = _time()
    created_by: str
    hidden: bool
    removed_at: datetime | None = _time()
    leftovers: Any = _json()
    used_at: datetime | None = _time()
    used_by: int | None = _number()
    made: int = _number()
    sequence: int = _number()


class OperationTable(Base, table=True):
    """The progress of each accepted command."""

    __tablename__ = "operation"
    __table_args__ = (Index(None, "group", "deployment", "accepted"), Index(None, "accepted"))

    id: str = _key()
    group: str
    deployment: str
    kind: str
    state: str
    request_digest: str
    created_at: datetime = _time()
    created_by: str
    release: int | None = _number()
    build: str | None
    failure: Any = _json(nullable=True)
    superseded_by: str | None
    ended_at: datetime | None = _time()
    deadline_at: datetime | None = _time()
    accepted: int = _number()
    sequence: int = _number()


class ReplicaTable(Base, table=True):
    """The last seen state of each replica, kept after it is gone."""

    __tablename__ = "replica"
    __table_args__ = (
        Index(None, "group", "deployment", "sequence"),
        Index(
            "ix_replica_there",
            "group",
            "deployment",
            postgresql_where=text("state not in ('exited', 'gone')"),
        ),
    )

    group: str = _key()
    deployment: str = _key()
    workload: str = _key()
    replica: str = _key()
    endpoint: str
    target: str
    state: str
    address: str | None
    pid: int | None = _number()
    exit_code: int | None = _number()
    signal: str | None
    log_tail: Any = _json()
    listening: Any = _json()
    detail: str | None
    smoke: Any = _json(nullable=True)
    started_at: datetime | None = _time()
    at: datetime = _time()
    epoch: int = _number()
    transition: int = _number()
    sequence: int = _number()


class TargetTable(Base, table=True):
    """The targets that monitors announced or lost."""

    __tablename__ = "target"

    name: str = _key()
    engine: str | None
    epoch: int | None = _number()
    cpu: float | None
    memory_bytes: int | None = _number()
    gpu: int = _number()
    allocatable_cpu: float | None
    allocatable_memory_bytes: int | None = _number()
    announced_at: datetime | None = _time()
    lost_since: datetime | None = _time()
    sequence: int = _number()


class UnknownWorkloadTable(Base, table=True):
    """The workloads that targets run although no desired record ever named them."""

    __tablename__ = "unknown_workload"

    group: str = _key()
    deployment: str = _key()
    workload: str = _key()
    target: str
    seen_at: datetime = _time()
    gone_at: datetime | None = _time()
    sequence: int = _number()


class GroupTable(Base, table=True):
    """The groups, as last configured."""

    __tablename__ = "group"

    name: str = _key()
    description: str
    deployments_enabled: bool
    quota: Any = _json()
    members: Any = _json()
    created_at: datetime = _time()
    changed_at: datetime = _time()
    sequence: int = _number()


class InstanceTypeTable(Base, table=True):
    """The instance types, as last configured."""

    __tablename__ = "instance_type"

    name: str = _key()
    description: str
    size: Any = _json()
    node_selector: Any = _json()
    removed: bool
    created_at: datetime = _time()
    changed_at: datetime = _time()
    changed_by: str
    sequence: int = _number()


class SecretTable(Base, table=True):
    """The names of the groups' secrets, with their newest version; holds no value."""

    __tablename__ = "secret"

    group: str = _key()
    name: str = _key()
    version: int = _number()
    removed: bool
    created_at: datetime = _time()
    changed_at: datetime = _time()
    changed_by: str
    sequence: int = _number()


class ArtifactTable(Base, table=True):
    """The artifacts that were adopted or hidden."""

    __tablename__ = "artifact"

    group: str = _key()
    digest: str = _key()
    name: str | None
    size_bytes: int | None = _number()
    adopted_at: datetime | None = _time()
    adopted_by: str | None
    hidden: bool
    changed_at: datetime = _time()
    changed_by: str
    sequence: int = _number()


class KeyTable(Base, table=True):
    """The API keys, as last configured; holds digests, never keys."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "digest"),)

    id: str = _key()
    digest: str
    user: str
    grants: Any = _json()
    revoked: bool
    created_at: datetime = _time()
    changed_at: datetime = _time()
    sequence: int = _number()


class CheckpointTable(Base, table=True):
    """One row: the last message that these tables hold, and the fold that made them."""

    __tablename__ = "checkpoint"

    stream: str = _key()
    projection: int = _number()
    sequence: int = _number()
    event_id: str
    at: datetime | None = _time()


METADATA: Final[MetaData] = Base.metadata
