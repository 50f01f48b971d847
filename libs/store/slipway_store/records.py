"""How each row model lies in its table: column types, SQL and the way of values in and out.

Derives everything from the row model; a test compares the result with the tables.
"""

import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

import asyncpg
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from slipway_store.rows import (
    AliasChangeRow,
    ArtifactRow,
    BuildRow,
    CheckpointRow,
    DeploymentDetail,
    DeploymentRow,
    DeploymentStatus,
    EventRow,
    GroupRow,
    InstanceTypeRow,
    JsonText,
    KeyRow,
    LoggedRow,
    MetadataRow,
    OperationRow,
    ReleaseHistory,
    ReleaseRow,
    ReplicaRow,
    Row,
    SecretRow,
    TargetRow,
    UnknownWorkloadRow,
    VersionRow,
)

R = TypeVar("R", bound=Row)
Key = tuple[str | int, ...]

_PLACE: Final = re.compile(r"\$(\d+)")
_JSON: Final = "jsonb"
_SCALARS: Final[dict[object, str]] = {
    str: "text",
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    datetime: "timestamptz",
}


@dataclass(frozen=True)
class Column:
    """A column: its Postgres type, and the encoder of its values where they are not sent as they are."""

    name: str
    type: str
    nullable: bool
    encode: Callable[[Any], bytes] | None


@dataclass(frozen=True, eq=False)
class Record(Generic[R]):
    """A row model in its table.

    A row is replaced by one of a greater `sequence` only; an immutable one, never.
    """

    table: str
    row: type[R]
    key: tuple[str, ...]
    immutable: bool = False

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in the order of the row model."""
        return tuple(_column(name, field) for name, field in self.row.model_fields.items())

    @cached_property
    def select(self) -> str:
        """`select <columns> from <table>`."""
        return f"select {self._names(self.columns)} from {quoted(self.table)}"  # noqa: S608

    @cached_property
    def select_keys(self) -> str:
        """Select the rows of the keys given as one array per key column."""
        kinds = {column.name: column.type for column in self.columns}
        names = ", ".join(quoted(name) for name in self.key)
        arrays = ", ".join(f"${place}::{kinds[name]}[]" for place, name in enumerate(self.key, start=1))
        return f"{self.select} where ({names}) in (select * from unnest({arrays}))"  # noqa: S608

    @cached_property
    def upsert(self) -> str:
        """Write rows given as one array per column; an older one, or a repeat, changes nothing."""
        kept = {*self.key}
        changes = ", ".join(
            f"{quoted(column.name)} = excluded.{quoted(column.name)}"
            for column in self.columns
            if column.name not in kept
        )
        guard = f"{quoted(self.table)}.sequence < excluded.sequence"
        keys = ", ".join(quoted(name) for name in self.key)
        return f"{self.insert} on conflict ({keys}) do update set {changes} where {guard}"

    @cached_property
    def insert_new(self) -> str:
        """Insert rows given as one array per column, return the sequences of those that were new.

        Of several rows that exclude each other the first counts.
        """
        return f"{self.insert} on conflict do nothing returning sequence"

    @cached_property
    def insert(self) -> str:
        """Insert rows given as one array per column; fails where one is there already."""
        names = self._names(self.columns)
        arrays = ", ".join(f"${place}::{column.type}[]" for place, column in enumerate(self.columns, start=1))
        return (
            f"insert into {quoted(self.table)} ({names}) "  # noqa: S608
            f"select {names} from unnest({arrays}) as given ({names}) order by sequence"
        )

    @staticmethod
    def _names(columns: Iterable[Column]) -> str:
        return ", ".join(quoted(column.name) for column in columns)

    def key_of(self, row: R) -> Key:
        """Return the key of a row."""
        return tuple(getattr(row, name) for name in self.key)

    def arrays(self, rows: Sequence[object]) -> list[Sequence[object]]:
        """Return rows, or what else has the columns as attributes, as one array per column.

        These are the arguments of `insert`, `upsert` and `insert_new`.
        """
        values = list(zip(*map(self._values, rows), strict=True)) or [()] * len(self.columns)
        return [_encoded(column, array) for column, array in zip(self.columns, values, strict=True)]

    @cached_property
    def _values(self) -> Callable[[object], tuple[object, ...]]:
        return attrgetter(*(column.name for column in self.columns))

    def read(self, found: asyncpg.Record) -> R:
        """Return the row model of a row that `select` found."""
        values = {
            column.name: from_json(value) if column.type == _JSON and value is not None else value
            for column, value in zip(self.columns, found.values(), strict=True)
        }
        return self.row.model_validate(values)


@dataclass(frozen=True)
class History:
    """Rows of a deployment that a purge deletes.

    Attributes:
        record: the rows.
        accepted: column of the sequence that began each; what began after the purge's command stays. None:
            all go, nothing of this kind begins between the command and its end.
    """

    record: Record[Any]
    accepted: str | None = None

    def covers(self, row: Any, group: str, deployment: str, before: int) -> bool:  # noqa: ANN401
        """Return whether `delete` with these arguments would delete this row."""
        if (row.group, row.deployment) != (group, deployment):
            return False
        return self.accepted is None or getattr(row, self.accepted) < before

    @cached_property
    def delete(self) -> str:
        """Delete the rows of (group, deployment) before a sequence."""
        begun = self.accepted or "0"
        return (
            f"delete from {quoted(self.record.table)} "  # noqa: S608
            f'where "group" = $1 and deployment = $2 and {begun} < $3::bigint'
        )


def moved(statement: str, places: int) -> str:
    """Return a statement whose arguments come so many places later."""
    return _PLACE.sub(lambda found: f"${int(found[1]) + places}", statement)


def quoted(name: str) -> str:
    """Return an identifier in quotes: `group` is a word of SQL."""
    return f'"{name}"'


def _column(name: str, field: FieldInfo) -> Column:
    annotation = field.annotation
    options = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    (kind,) = (option for option in options if option is not types.NoneType)
    if any(isinstance(mark, JsonText) for mark in field.metadata):
        return Column(name, _JSON, nullable=False, encode=None)
    scalar = str if isinstance(kind, type) and issubclass(kind, StrEnum) else kind
    nullable = types.NoneType in options
    if scalar in _SCALARS:
        return Column(name, _SCALARS[scalar], nullable=nullable, encode=None)
    return Column(name, _JSON, nullable=nullable, encode=TypeAdapter[Any](kind).dump_json)


def _encoded(column: Column, values: Sequence[object]) -> Sequence[object]:
    if column.encode is None:
        return values
    return [None if value is None else column.encode(value).decode() for value in values]


EVENT: Final = Record("event", EventRow, ("sequence",), immutable=True)
LOGGED: Final = Record("event", LoggedRow, ("sequence",), immutable=True)
STATUS: Final = Record("deployment", DeploymentStatus, ("group", "id"))
DETAIL: Final = Record("deployment", DeploymentDetail, ("group", "id"))
DEPLOYMENT: Final = Record("deployment", DeploymentRow, ("group", "id"))
METADATA: Final = Record("deployment_metadata", MetadataRow, ("group", "deployment", "key"))
RELEASE: Final = Record("release", ReleaseRow, ("group", "deployment", "number"))
RELEASE_HISTORY: Final = Record("release", ReleaseHistory, ("group", "deployment", "number"))
ALIAS_CHANGE: Final = Record(
    "alias_change", AliasChangeRow, ("group", "deployment", "alias", "sequence"), immutable=True
)
BUILD: Final = Record("build", BuildRow, ("id",))
VERSION: Final = Record("version", VersionRow, ("id",))
OPERATION: Final = Record("operation", OperationRow, ("id",))
REPLICA: Final = Record("replica", ReplicaRow, ("group", "deployment", "workload", "replica"))
TARGET: Final = Record("target", TargetRow, ("name",))
UNKNOWN_WORKLOAD: Final = Record("unknown_workload", UnknownWorkloadRow, ("group", "deployment", "workload"))
GROUP: Final = Record("group", GroupRow, ("name",))
INSTANCE_TYPE: Final = Record("instance_type", InstanceTypeRow, ("name",))
SECRET: Final = Record("secret", SecretRow, ("group", "name"))
ARTIFACT: Final = Record("artifact", ArtifactRow, ("group", "digest"))
KEY: Final = Record("api_key", KeyRow, ("id",))
CHECKPOINT: Final = Record("checkpoint", CheckpointRow, ("stream",))

HISTORY: Final = (
    History(RELEASE),
    History(ALIAS_CHANGE),
    History(REPLICA),
    History(BUILD, "accepted"),
    History(VERSION, "made"),
)
"""What a purge erases of a deployment; the log keeps its messages, and the row of the deployment stays.

Its operations stay too: who waits for one is told its end, and a repeated request is known as one.
"""

RECORDS: Final[tuple[Record[Any], ...]] = (
    EVENT, DEPLOYMENT, METADATA, RELEASE, ALIAS_CHANGE, BUILD, VERSION, OPERATION, REPLICA, TARGET,
    UNKNOWN_WORKLOAD, GROUP, INSTANCE_TYPE, SECRET, ARTIFACT, KEY, CHECKPOINT,
)  # fmt: skip
