"""What a monitor sees of a replica is told in the trace that wanted it, and its smoke test continues it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from integration.monitor.terms import AT, REPLICA, seen, watching
from integration.monitor.test_smoke_tests import smoke_tested, wanted
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.telemetry import Telemetry, configure_telemetry
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import SmokeTest

TRACE, PARENT = "a" * 32, "b" * 16
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@asynccontextmanager
async def answering(status: int, heads: list[str]) -> AsyncIterator[str]:
    """Serve this status at the address that is yielded, and keep the heads of requests."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def named(file: Path, name: str) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [each for each in map(json.loads, lines) if each["name"] == name]


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    return tmp_path / "spans"


def telemetry(file: Path) -> Telemetry:
    return configure_telemetry(service="monitor", instance="test", traces_file=file)


@pytest.mark.usefixtures("log")
async def test_a_start_lasts_from_the_process_to_its_first_healthy_answer_and_is_told_once(
    connection: Connection, spans: Path
) -> None:
    engine = MemoryEngine()
    process: dict[str, Any] = {"pid": 7, "started_at": AT - timedelta(seconds=3), "traceparent": TRACEPARENT}

    async with watching(connection, engine, epoch=1, telemetry=telemetry(spans)):
        for state in (ReplicaState.STARTED, ReplicaState.READY, ReplicaState.UNREADY, ReplicaState.READY):
            engine.sights.put_nowait(seen(state, address="127.0.0.1:1", **process))
        await eventually(lambda: len(named(spans, "publish replica")) >= 4)

    (start,) = named(spans, "start replica")
    assert start["context"]["trace_id"] == f"0x{TRACE}"
    assert start["parent_id"] == f"0x{PARENT}"
    assert start["start_time"].startswith("2025-12-31T23:59:57")
    assert start["attributes"]["slipway.replica.id"] == REPLICA.id


@pytest.mark.parametrize(("status", "told"), [(200, "UNSET"), (500, "ERROR")])
async def test_a_smoke_test_is_a_client_span_whose_trace_the_replica_gets(
    log: EventLog, connection: Connection, spans: Path, status: int, told: str
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/predict"))
    engine, heads = MemoryEngine(), list[str]()

    async with (
        answering(status, heads) as address,
        watching(connection, engine, epoch=1, telemetry=telemetry(spans)),
    ):
        engine.sights.put_nowait(
            seen(ReplicaState.READY, address=address, pid=7, started_at=AT, traceparent=TRACEPARENT)
        )
        await smoke_tested(log)

    (span,) = named(spans, "smoke test")
    assert (span["kind"], span["parent_id"]) == ("SpanKind.CLIENT", f"0x{PARENT}")
    assert span["attributes"]["http.response.status_code"] == status
    assert span["status"]["status_code"] == told
    assert f"traceparent: 00-{TRACE}-{span['context']['span_id'].removeprefix('0x')}-01" in heads[0]


async def test_a_smoke_test_that_names_a_trace_of_its_own_keeps_it(
    log: EventLog, connection: Connection
) -> None:
    own = f"00-{'c' * 32}-{'d' * 16}-01"
    await wanted(log, smoke_test=SmokeTest(path="/predict", headers={"Traceparent": own}))
    engine, heads = MemoryEngine(), list[str]()

    async with answering(200, heads) as address, watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.READY, address=address, pid=7, started_at=AT))
        await smoke_tested(log)

    assert heads[0].count("traceparent:") == 1
    assert f"traceparent: {own}" in heads[0]
