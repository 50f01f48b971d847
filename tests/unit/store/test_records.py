import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from slipway_store.records import (
    BUILD,
    CHECKPOINT,
    DEPLOYMENT,
    DETAIL,
    EVENT,
    HISTORY,
    LOGGED,
    RECORDS,
    STATUS,
    Record,
)
from slipway_store.rows import BuildRow, BuildStep, StepState
from slipway_store.tables import METADATA
from sqlalchemy import BigInteger, Boolean, DateTime, Float, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import AutoString

NAMED = {record.table: record for record in RECORDS}


def _name_of(kind: TypeEngine[Any]) -> str:
    match kind:
        case JSONB():
            return "jsonb"
        case BigInteger():
            return "bigint"
        case Boolean():
            return "boolean"
        case Float():
            return "double precision"
        case DateTime(timezone=True):
            return "timestamptz"
        case AutoString():
            return "text"
        case _:
            raise AssertionError(f"{kind!r} has no place in the row models")


def test_every_table_has_a_row_model_and_every_row_model_a_table() -> None:
    assert set(NAMED) == set(METADATA.tables)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.table)
def test_a_row_model_has_exactly_the_columns_of_its_table(record: Record[Any]) -> None:
    table = METADATA.tables[record.table]

    described = {column.name: (column.type, column.nullable) for column in record.columns}

    assert described == {column.name: (_name_of(column.type), column.nullable) for column in table.columns}
    assert set(record.key) == {column.name for column in table.primary_key.columns}


def test_what_is_read_of_a_deployment_is_a_part_of_its_row() -> None:
    detail = [*STATUS.row.model_fields, "settings", "former_names"]
    assert [*DETAIL.row.model_fields] == detail
    assert [*DEPLOYMENT.row.model_fields] == [*detail, "words", "listed", "facts"]
    assert [column.name for column in LOGGED.columns] == [column.name for column in EVENT.columns]


@pytest.mark.parametrize("table", METADATA.tables.values(), ids=str)
def test_no_value_of_a_table_comes_from_the_database_itself(table: Table) -> None:
    assert table.autoincrement_column is None
    assert [column.name for column in table.columns if column.server_default is not None] == []


def test_what_a_purge_deletes_belongs_to_a_deployment() -> None:
    for history in HISTORY:
        columns = {column.name for column in history.record.columns}
        assert {"group", "deployment"} | ({history.accepted} if history.accepted else set()) <= columns


def test_nested_values_travel_as_json_and_come_back_typed() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = BuildRow(
        id="b",
        group="g",
        deployment="d",
        state="RUNNING",
        source="s",
        label=None,
        created_at=at,
        created_by="ada",
        steps=(BuildStep(name="unpack", state=StepState.SUCCEEDED, seconds=0.5),),
        accepted=1,
        sequence=2,
    )

    arrays = BUILD.arrays([row])

    columns = [column.name for column in BUILD.columns]
    stored = dict(zip(columns, (array[0] for array in arrays), strict=True))
    assert stored["steps"] == '[{"name":"unpack","state":"SUCCEEDED","seconds":0.5,"detail":""}]'
    assert stored["failure"] is None
    assert BUILD.read(stored) == row  # type: ignore[arg-type]


def test_an_upsert_never_lets_an_older_row_win() -> None:
    assert 'where "build".sequence < excluded.sequence' in BUILD.upsert
    assert "projection" in [column.name for column in CHECKPOINT.columns]


@pytest.mark.parametrize(
    "module", ["slipway_store.queries", "slipway_store.migrate", "slipway_store.records"]
)
def test_a_process_that_reads_loads_neither_sqlalchemy_nor_alembic(module: str) -> None:
    code = (
        f"import sys, {module}; print(sorted({{'sqlalchemy', 'alembic', 'sqlmodel'}} & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
