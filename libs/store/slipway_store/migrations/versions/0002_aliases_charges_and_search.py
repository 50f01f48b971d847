"""Aliases, charges, settings, what lists are searched by, and what belongs to groups.

Revises: 0001. Only adds: what the rows of before lack is filled with the values of "not used", until
`slipway projections rebuild` makes the rows anew.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LISTED = (
    ("group", "id"),
    ("group", "created_at", "id"),
    ("group", "changed_at", "id"),
    ("created_at", "group", "id"),
    ("changed_at", "group", "id"),
    ("target", "group", "id"),
    ("version_label", "group", "id"),
    ("created_by", "group", "id"),
)
_CHARGES = ["charge_deployments", "charge_replicas", "charge_cpu", "charge_memory_bytes", "charge_gpu"]


def upgrade() -> None:
    """Create the new tables, columns and indexes."""
    _create_metadata()
    _create_alias_changes()
    _create_unknown_workloads()
    _create_instance_types()
    _create_secrets()
    _create_artifacts()
    _extend_deployments()
    _extend_groups()
    _extend_releases()
    _extend_replicas()
    _extend_targets()
    _extend_versions()
    _index_deployments()


def downgrade() -> None:
    """Drop them; versions of one label in one deployment must have become one before."""
    op.drop_index(op.f("ix_version_group_deployment_made"), table_name="version")
    op.drop_index(op.f("ix_version_group_deployment_label"), table_name="version")
    op.create_unique_constraint(
        op.f("uq_version_group_deployment_label"), "version", ["group", "deployment", "label"]
    )
    _drop("version", "made", "used_by", "used_at", "leftovers", "removed_at", "hidden")
    _drop("target", "allocatable_memory_bytes", "allocatable_cpu", "gpu")
    op.drop_index("ix_replica_there", table_name="replica")
    op.drop_index(op.f("ix_replica_group_deployment_sequence"), table_name="replica")
    _drop("replica", "smoke")
    _drop("release", "version_id", "instance_type", "pinned", "copy_of", "alias")
    _drop("group", "members", "quota", "deployments_enabled")
    for name in ("words", "metadata", "state_group_id", "charge_group_id", "charge_target"):
        op.drop_index(f"ix_deployment_{name}", table_name="deployment")
    for columns in _LISTED:
        op.drop_index(_name_of_listed(columns), table_name="deployment")
    _drop("deployment", "listed", "words", "former_names", "settings", *_CHARGES)
    _drop("deployment", "crash_loop", "deleted", "pins", "aliases", "metadata", "description", "name")
    for table in (
        "artifact",
        "secret",
        "instance_type",
        "unknown_workload",
        "alias_change",
        "deployment_metadata",
    ):
        op.drop_table(table)


def _add(table: str, name: str, kind: Any, filled: str | None = None) -> None:  # noqa: ANN401
    """Add a column; `filled` is the SQL of its value in the rows of before, none where it may be null."""
    column = sa.Column(name, kind, nullable=filled is None)
    if filled is not None:
        column.server_default = sa.DefaultClause(sa.text(filled))
    op.add_column(table, column)
    if filled is not None:
        op.alter_column(table, name, server_default=None)


def _drop(table: str, *columns: str) -> None:
    for column in columns:
        op.drop_column(table, column)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, postgresql.JSONB(), nullable=False)


def _create_metadata() -> None:
    op.create_table(
        "deployment_metadata",
        _text("group"),
        _text("deployment"),
        _text("key"),
        _text("pair", nullable=True),
        _number("sequence"),
        sa.PrimaryKeyConstraint("group", "deployment", "key", name=op.f("pk_deployment_metadata")),
    )
    op.create_index(
        op.f("ix_deployment_metadata_pair_group_deployment"),
        "deployment_metadata",
        ["pair", "group", "deployment"],
    )


def _create_alias_changes() -> None:
    op.create_table(
        "alias_change",
        _text("group"),
        _text("deployment"),
        _text("alias"),
        _number("sequence"),
        _json("shares"),
        _time("at"),
        _text("operation", nullable=True),
        _text("by", nullable=True),
        sa.PrimaryKeyConstraint("group", "deployment", "alias", "sequence", name=op.f("pk_alias_change")),
    )
    op.create_index(
        op.f("ix_alias_change_group_deployment_sequence"), "alias_change", ["group", "deployment", "sequence"]
    )


def _create_unknown_workloads() -> None:
    op.create_table(
        "unknown_workload",
        _text("group"),
        _text("deployment"),
        _text("workload"),
        _text("target"),
        _time("seen_at"),
        _time("gone_at", nullable=True),
        _number("sequence"),
        sa.PrimaryKeyConstraint("group", "deployment", "workload", name=op.f("pk_unknown_workload")),
    )


def _create_instance_types() -> None:
    op.create_table(
        "instance_type",
        _text("name"),
        _text("description"),
        _json("size"),
        _json("node_selector"),
        sa.Column("removed", sa.Boolean(), nullable=False),
        _time("created_at"),
        _time("changed_at"),
        _text("changed_by"),
        _number("sequence"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_instance_type")),
    )


def _create_secrets() -> None:
    op.create_table(
        "secret",
        _text("group"),
        _text("name"),
        _number("version"),
        sa.Column("removed", sa.Boolean(), nullable=False),
        _time("created_at"),
        _time("changed_at"),
        _text("changed_by"),
        _number("sequence"),
        sa.PrimaryKeyConstraint("group", "name", name=op.f("pk_secret")),
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifact",
        _text("group"),
        _text("digest"),
        _text("name", nullable=True),
        _number("size_bytes", nullable=True),
        _time("adopted_at", nullable=True),
        _text("adopted_by", nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        _time("changed_at"),
        _text("changed_by"),
        _number("sequence"),
        sa.PrimaryKeyConstraint("group", "digest", name=op.f("pk_artifact")),
    )


def _extend_deployments() -> None:
    for name in ("name", "description", "words"):
        _add("deployment", name, sa.String(), "''")
    for name in ("metadata", "settings"):
        _add("deployment", name, postgresql.JSONB(), "'{}'")
    for name in ("aliases", "pins", "former_names"):
        _add("deployment", name, postgresql.JSONB(), "'[]'")
    _add("deployment", "deleted", sa.String())
    _add("deployment", "crash_loop", postgresql.JSONB())
    for name in _CHARGES:
        _add("deployment", name, sa.Float() if name == "charge_cpu" else sa.BigInteger(), "0")
    _add("deployment", "listed", sa.Boolean(), "true")
    op.execute("update deployment set name = id, listed = state <> 'DELETED'")


def _extend_groups() -> None:
    _add("group", "deployments_enabled", sa.Boolean(), "true")
    _add("group", "quota", postgresql.JSONB(), "'{}'")
    _add("group", "members", postgresql.JSONB(), "'[]'")


def _extend_releases() -> None:
    _add("release", "alias", sa.String(), "'live'")
    _add("release", "copy_of", sa.BigInteger())
    _add("release", "pinned", sa.Boolean(), "false")
    _add("release", "instance_type", sa.String())
    _add("release", "version_id", sa.String())
    op.execute("update release set version_id = version ->> 'id'")


def _extend_replicas() -> None:
    _add("replica", "smoke", postgresql.JSONB())
    op.create_index(
        op.f("ix_replica_group_deployment_sequence"), "replica", ["group", "deployment", "sequence"]
    )
    there = sa.text("state not in ('exited', 'gone')")
    op.create_index("ix_replica_there", "replica", ["group", "deployment"], postgresql_where=there)


def _extend_targets() -> None:
    _add("target", "gpu", sa.BigInteger(), "0")
    _add("target", "allocatable_cpu", sa.Float())
    _add("target", "allocatable_memory_bytes", sa.BigInteger())


def _extend_versions() -> None:
    _add("version", "hidden", sa.Boolean(), "false")
    _add("version", "removed_at", sa.DateTime(timezone=True))
    _add("version", "leftovers", postgresql.JSONB(), "'[]'")
    _add("version", "used_at", sa.DateTime(timezone=True))
    _add("version", "used_by", sa.BigInteger())
    _add("version", "made", sa.BigInteger(), "0")
    op.execute("update version set made = sequence")
    op.drop_constraint(op.f("uq_version_group_deployment_label"), "version", type_="unique")
    op.create_index(op.f("ix_version_group_deployment_label"), "version", ["group", "deployment", "label"])
    op.create_index(op.f("ix_version_group_deployment_made"), "version", ["group", "deployment", "made"])


def _name_of_listed(columns: tuple[str, ...]) -> str:
    return f"ix_deployment_listed_{'_'.join(columns)}"


def _index_deployments() -> None:
    for columns in _LISTED:
        op.create_index(
            _name_of_listed(columns), "deployment", list(columns), postgresql_where=sa.text("listed")
        )
    op.create_index(op.f("ix_deployment_state_group_id"), "deployment", ["state", "group", "id"])
    for charged in (["group", "id"], ["target"]):
        op.create_index(
            f"ix_deployment_charge_{'_'.join(charged)}",
            "deployment",
            charged,
            postgresql_include=_CHARGES,
            postgresql_where=sa.text("charge_deployments > 0"),
        )
    gin: dict[str, Any] = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": "off"}}
    op.create_index(
        op.f("ix_deployment_metadata"),
        "deployment",
        ["metadata"],
        postgresql_ops={"metadata": "jsonb_path_ops"},
        **gin,
    )
    words = sa.text("array_to_tsvector(string_to_array(words, ' '))")
    op.create_index("ix_deployment_words", "deployment", [words], **gin)
