"""The tables of the projection: the one truth of the schema, from which migrations are generated.

Imported by migrations and tests only; a running process reads and writes the row models of `rows`.
Every value comes from the log: no default, no serial and no clock of the database.
"""

from datetime import datetime
from typing import Any, ClassVar, Final

from sqlalchemy import BigInteger, DateTime, Index, MetaData, UniqueConstraint
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


class EventTable(Base, table=True):
    """Every message of the log, as it came; `group` and `deployment` are null where the subject has none."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "group", "deployment", "sequence"),
        UniqueConstraint("id"),
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
    body: Any = _json()


class DeploymentTable(Base, table=True):
    """The status of a deployment, and the facts from which it follows."""

    __tablename__ = "deployment"
    __table_args__ = (Index(None, "target"),)

    group: str = _key()
    id: str = _key()
    state: str
    wanted: str
    ready: int = _number()
    replicas: int = _number()
    live_release: int | None = _number()
    version_label: str | None
    target: str | None
    endpoints: Any = _json()
    last_command: int = _number()
    created_at: datetime = _time()
    created_by: str
    changed_at: datetime = _time()
    sequence: int = _number()
    facts: Any = _json()


class ReleaseTable(Base, table=True):
    """The releases of a deployment: its history."""

    __tablename__ = "release"

    group: str = _key()
    deployment: str = _key()
    number: int = _number_key()
    state: str
    operation: str
    cause: str
    version: Any = _json(nullable=True)
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
    """The versions of a deployment; never changed."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("group", "deployment", "label"),)

    id: str = _key()
    group: str
    deployment: str
    label: str
    body: Any = _json()
    created_at: datetime = _time()
    created_by: str
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
    announced_at: datetime | None = _time()
    lost_since: datetime | None = _time()
    sequence: int = _number()


class GroupTable(Base, table=True):
    """The groups, as last configured."""

    __tablename__ = "group"

    name: str = _key()
    description: str
    created_at: datetime = _time()
    changed_at: datetime = _time()
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
