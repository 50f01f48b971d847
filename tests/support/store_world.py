"""Rows for tests of reads, and a database to write them into as the projector does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from log_script import GROUP, make_version
from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.lifecycle import DeploymentState, ReleaseState, Wanted
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaState
from slipway_store.listing import UNLISTED
from slipway_store.records import CHECKPOINT, Record
from slipway_store.rows import CheckpointRow, DeploymentRow, ReleaseRow, ReplicaRow, Row, VersionRow

AT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """Writes rows as the projector does."""

    def __init__(self, connection: asyncpg.Connection, url: str) -> None:
        self.url = url
        self.connection = connection

    async def write(self, record: Record[Any], *rows: Row) -> None:
        statement = record.insert_new if record.immutable else record.upsert
        await self.connection.execute(statement, *record.arrays(rows))

    async def stand_at(self, sequence: int) -> None:
        await self.write(
            CHECKPOINT,
            CheckpointRow(stream="SLIPWAY", projection=1, sequence=sequence, event_id="e", at=AT),
        )


def make_deployment(identifier: str = "digits", **overrides: Any) -> DeploymentRow:
    values: dict[str, Any] = {
        "group": GROUP,
        "id": identifier,
        "state": DeploymentState.DEPLOYED,
        "wanted": Wanted.RUNNING,
        "ready": 1,
        "replicas": 1,
        "live_release": 1,
        "version_label": "20260101.1",
        "target": "local",
        "endpoints": ("predict",),
        "last_command": 3,
        "created_at": AT,
        "created_by": "ada",
        "changed_at": AT,
        "sequence": 5,
    }
    values |= overrides
    facts = DeploymentFacts(group=values["group"], deployment=identifier, created_at=AT)
    derived = {"listed": values["state"] not in UNLISTED}
    return DeploymentRow(**derived | values, facts=facts)


def make_release(number: int, **overrides: Any) -> ReleaseRow:
    values: dict[str, Any] = {
        "group": GROUP,
        "deployment": "digits",
        "number": number,
        "state": ReleaseState.LIVE,
        "operation": f"o{number}",
        "cause": "deploy",
        "version": make_version(number),
        "version_id": f"v{number}",
        "version_label": f"20260101.{number}",
        "build": None,
        "config": ReleaseConfig(environment={"A": "b"}),
        "workloads": {"predict": "0123456789abcdef"},
        "created_at": AT,
        "created_by": "ada",
        "sequence": 10 + number,
    }
    return ReleaseRow(**values | overrides)


def make_version_row(number: int, **overrides: Any) -> VersionRow:
    values: dict[str, Any] = {
        "id": f"v{number}",
        "group": GROUP,
        "deployment": "digits",
        "label": f"20260101.{number}",
        "body": make_version(number),
        "created_at": AT,
        "created_by": "ada",
        "made": number,
        "sequence": 50 + number,
    }
    return VersionRow(**values | overrides)


def make_replica(name: str, **overrides: Any) -> ReplicaRow:
    values: dict[str, Any] = {
        "group": GROUP,
        "deployment": "digits",
        "workload": "0123456789abcdef",
        "replica": name,
        "endpoint": "predict",
        "target": "local",
        "state": ReplicaState.READY,
        "at": AT,
        "epoch": 1,
        "transition": 2,
        "sequence": 7,
    }
    return ReplicaRow(**values | overrides)
