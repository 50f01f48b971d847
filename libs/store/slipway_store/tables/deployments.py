"""The tables of deployments and of what belongs to one: releases, aliases, builds, versions, replicas."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from slipway_store.tables import columns


def _of_listed(*names: str) -> Index:
    """Return an index of the deployments that lists show."""
    return Index(f"ix_deployment_listed_{'_'.join(names)}", *names, postgresql_where=text("listed"))


def _of_charges(*names: str) -> Index:
    """Return an index from which alone the charges can be summed."""
    resources = ("deployments", "replicas", "cpu", "memory_bytes", "gpu")
    return Index(
        f"ix_deployment_charge_{'_'.join(names)}",
        *names,
        postgresql_include=[f"charge_{resource}" for resource in resources],
        postgresql_where=text("charge_deployments > 0"),
    )


class DeploymentTable(columns.Base, table=True):
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

    group: str = columns.key()
    id: str = columns.key()
    name: str
    description: str
    metadata_: Any = Field(sa_column=Column("metadata", JSONB, nullable=False))
    state: str
    wanted: str
    ready: int = columns.number()
    replicas: int = columns.number()
    live_release: int | None = columns.number()
    version_label: str | None
    target: str | None
    endpoints: Any = columns.json()
    aliases: Any = columns.json()
    pins: Any = columns.json()
    deleted: str | None
    crash_loop: Any = columns.json(nullable=True)
    charge_deployments: int = columns.number()
    charge_replicas: int = columns.number()
    charge_cpu: float
    charge_memory_bytes: int = columns.number()
    charge_gpu: int = columns.number()
    last_command: int = columns.number()
    created_at: datetime = columns.time()
    created_by: str
    changed_at: datetime = columns.time()
    sequence: int = columns.number()
    settings: Any = columns.json()
    former_names: Any = columns.json()
    words: str
    listed: bool
    facts: Any = columns.json()


class MetadataTable(columns.Base, table=True):
    """The pairs of the deployments' metadata, in the order of lists by pair."""

    __tablename__ = "deployment_metadata"
    __table_args__ = (Index(None, "pair", "group", "deployment"),)

    group: str = columns.key()
    deployment: str = columns.key()
    key: str = columns.key()
    pair: str | None
    sequence: int = columns.number()


class ReleaseTable(columns.Base, table=True):
    """The releases of a deployment: its history."""

    __tablename__ = "release"

    group: str = columns.key()
    deployment: str = columns.key()
    number: int = columns.number_key()
    state: str
    operation: str
    cause: str
    alias: str
    copy_of: int | None = columns.number()
    pinned: bool
    instance_type: str | None
    version: Any = columns.json(nullable=True)
    version_id: str | None
    version_label: str | None
    build: str | None
    config: Any = columns.json()
    workloads: Any = columns.json()
    created_at: datetime = columns.time()
    created_by: str
    started_at: datetime | None = columns.time()
    ready_at: datetime | None = columns.time()
    live_at: datetime | None = columns.time()
    retired_at: datetime | None = columns.time()
    ended_at: datetime | None = columns.time()
    deadline_at: datetime | None = columns.time()
    failure: Any = columns.json(nullable=True)
    sequence: int = columns.number()


class AliasChangeTable(columns.Base, table=True):
    """Every change of where an alias points."""

    __tablename__ = "alias_change"
    __table_args__ = (Index(None, "group", "deployment", "sequence"),)

    group: str = columns.key()
    deployment: str = columns.key()
    alias: str = columns.key()
    sequence: int = columns.number_key()
    shares: Any = columns.json()
    at: datetime = columns.time()
    operation: str | None
    by: str | None


class BuildTable(columns.Base, table=True):
    """The builds of a deployment."""

    __tablename__ = "build"
    __table_args__ = (Index(None, "group", "deployment", "accepted"), Index(None, "accepted"))

    id: str = columns.key()
    group: str
    deployment: str
    state: str
    source: str
    label: str | None
    created_at: datetime = columns.time()
    created_by: str
    started_at: datetime | None = columns.time()
    ended_at: datetime | None = columns.time()
    deadline_at: datetime | None = columns.time()
    steps: Any = columns.json()
    version_id: str | None
    failure: Any = columns.json(nullable=True)
    accepted: int = columns.number()
    sequence: int = columns.number()


class VersionTable(columns.Base, table=True):
    """The versions of a deployment."""

    __tablename__ = "version"
    __table_args__ = (Index(None, "group", "deployment", "label"), Index(None, "group", "deployment", "made"))

    id: str = columns.key()
    group: str
    deployment: str
    label: str
    body: Any = columns.json()
    created_at: datetime = columns.time()
    created_by: str
    hidden: bool
    removed_at: datetime | None = columns.time()
    leftovers: Any = columns.json()
    used_at: datetime | None = columns.time()
    used_by: int | None = columns.number()
    made: int = columns.number()
    sequence: int = columns.number()


class OperationTable(columns.Base, table=True):
    """The progress of each accepted command."""

    __tablename__ = "operation"
    __table_args__ = (Index(None, "group", "deployment", "accepted"), Index(None, "accepted"))

    id: str = columns.key()
    group: str
    deployment: str
    kind: str
    state: str
    request_digest: str
    created_at: datetime = columns.time()
    created_by: str
    release: int | None = columns.number()
    build: str | None
    failure: Any = columns.json(nullable=True)
    superseded_by: str | None
    ended_at: datetime | None = columns.time()
    deadline_at: datetime | None = columns.time()
    accepted: int = columns.number()
    sequence: int = columns.number()


class ReplicaTable(columns.Base, table=True):
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

    group: str = columns.key()
    deployment: str = columns.key()
    workload: str = columns.key()
    replica: str = columns.key()
    endpoint: str
    target: str
    state: str
    address: str | None
    pid: int | None = columns.number()
    exit_code: int | None = columns.number()
    signal: str | None
    log_tail: Any = columns.json()
    listening: Any = columns.json()
    detail: str | None
    smoke: Any = columns.json(nullable=True)
    started_at: datetime | None = columns.time()
    at: datetime = columns.time()
    epoch: int = columns.number()
    transition: int = columns.number()
    sequence: int = columns.number()


class UnknownWorkloadTable(columns.Base, table=True):
    """The workloads that targets run although no desired record ever named them."""

    __tablename__ = "unknown_workload"

    group: str = columns.key()
    deployment: str = columns.key()
    workload: str = columns.key()
    target: str
    seen_at: datetime = columns.time()
    gone_at: datetime | None = columns.time()
    sequence: int = columns.number()
