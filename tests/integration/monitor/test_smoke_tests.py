"""Smoke tests run by a watching monitor: what is written down, once per process, and over terms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from eventually import eventually
from integration.monitor.terms import AT, REPLICA, count, facts, seen, watching
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_contracts import subjects
from slipway_contracts.desired import Desired, DesiredWorkload
from slipway_contracts.envelope import Envelope
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.version import CommandSpec, SmokeTest
from slipway_contracts.workload import ReplicaRef, Workload, WorkloadRef


class Model:
    """A server that counts its callers; it answers when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.may_answer.wait()
        writer.write(f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: 2\r\n\r\nno".encode())
        writer.close()


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    async with modelled() as model:
        yield model


@asynccontextmanager
async def modelled() -> AsyncIterator[Model]:
    model = Model()
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield model
    server.close()


async def wanted(log: EventLog, *, smoke_test: SmokeTest | None, ref: WorkloadRef = REPLICA.workload) -> None:
    workload = Workload(
        id=ref.id,
        group=ref.group,
        deployment=ref.deployment,
        endpoint="predict",
        target="local",
        image="sha256:" + "0" * 64,
        command=CommandSpec(argv=("serve",)),
        smoke_test=smoke_test,
    )
    desired = Desired(
        group=workload.group,
        deployment=workload.deployment,
        position=1,
        workloads=(DesiredWorkload(workload=workload, serving=1, crashes=(0,)),),
    )
    envelope = Envelope(
        id=derived_id("wanted", ref.deployment),
        type=desired.type,
        source="/test",
        subject=f"default/{ref.deployment}",
        time=AT,
    )
    await log.publish(Outgoing(subject=subjects.of(desired), message=desired, envelope=envelope))


def ready(model: Model, **details: Any) -> Any:
    return seen(ReplicaState.READY, address=model.address, **{"pid": 7, "started_at": AT, **details})


async def smoke_tested(log: EventLog) -> ReplicaFact:
    """Wait until the last fact has a result."""

    async def result() -> ReplicaFact | None:
        found = await facts(log)
        return found[-1] if found and found[-1].smoke is not None else None

    fact = await eventually(result)
    assert fact is not None
    return fact


async def test_a_ready_replica_is_tested_and_its_fact_told_again_with_the_result(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/predict"))
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        fact = await smoke_tested(log)

    assert (fact.state, fact.transition) == (ReplicaState.READY, 2)
    assert fact.smoke is not None
    assert fact.smoke.passed
    assert fact.smoke.message.startswith("GET /predict answered 200")


async def test_a_test_that_fails_says_what_was_expected(
    log: EventLog, connection: Connection, model: Model
) -> None:
    model.status = 500
    await wanted(log, smoke_test=SmokeTest(path="/predict"))
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        fact = await smoke_tested(log)

    assert fact.state is ReplicaState.READY
    assert fact.smoke is not None
    assert not fact.smoke.passed
    assert fact.smoke.message == "GET /predict answered 500, expected 200: no"


async def test_a_workload_without_a_test_is_not_asked_anything(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=None)
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        engine.sights.put_nowait(seen(ReplicaState.UNREADY, pid=7, started_at=AT))
        await count(log, 2)

    assert model.asked == 0


async def test_a_workload_that_the_log_does_not_know_yet_is_tested_when_it_does(
    log: EventLog, connection: Connection, model: Model
) -> None:
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        await count(log, 1)
        await wanted(log, smoke_test=SmokeTest(path="/"))

        assert (await smoke_tested(log)).smoke is not None


async def test_a_process_that_comes_and_goes_is_tested_once_and_its_successor_again(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/"))
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        await smoke_tested(log)
        engine.sights.put_nowait(seen(ReplicaState.UNREADY, pid=7, started_at=AT))
        engine.sights.put_nowait(ready(model))
        back = (await count(log, 4))[-1]
        asked = model.asked
        engine.sights.put_nowait(ready(model, pid=8))
        await count(log, 6)

    assert back.smoke is not None
    assert asked == 1
    assert model.asked == 2


async def test_the_next_monitor_keeps_a_result_and_does_not_ask_again(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/"))
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        first = await smoke_tested(log)

    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(ready(model))
        taken_over = (await count(log, 3))[-1]

    assert (taken_over.epoch, taken_over.smoke) == (2, first.smoke)
    assert model.asked == 1


async def test_a_test_that_a_monitor_did_not_finish_is_run_by_the_next(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/"))
    model.may_answer.clear()
    engine = MemoryEngine()
    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        await eventually(lambda: model.asked == 1)
    model.may_answer.set()

    async with watching(connection, engine, epoch=2):
        engine.sights.put_nowait(ready(model))
        fact = await smoke_tested(log)

    assert (fact.epoch, model.asked) == (2, 2)


async def test_replicas_that_never_answer_keep_those_of_other_deployments_from_nothing(
    log: EventLog, connection: Connection, model: Model
) -> None:
    other = WorkloadRef(group="default", deployment="other", id="fedcba9876543210")
    for workload in (REPLICA.workload, other):
        await wanted(log, smoke_test=SmokeTest(path="/"), ref=workload)
    model.may_answer.clear()
    engine = MemoryEngine()

    async with modelled() as answering, watching(connection, engine, epoch=1):
        for slot in range(20):
            ref = ReplicaRef(workload=REPLICA.workload, id=f"{slot}-1")
            engine.sights.put_nowait(replace(ready(model, pid=slot + 1), ref=ref))
        await eventually(lambda: model.asked > 0)
        engine.sights.put_nowait(replace(ready(answering), ref=ReplicaRef(workload=other, id="0-1")))
        fact = await smoke_tested(log)
        model.may_answer.set()

    assert (fact.deployment, fact.smoke is not None and fact.smoke.passed) == ("other", True)


async def test_a_result_that_comes_after_the_end_of_its_process_is_not_written(
    log: EventLog, connection: Connection, model: Model
) -> None:
    await wanted(log, smoke_test=SmokeTest(path="/"))
    model.may_answer.clear()
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(ready(model))
        await eventually(lambda: model.asked == 1)
        engine.sights.put_nowait(seen(ReplicaState.EXITED, pid=7, started_at=AT, exit_code=1))
        await count(log, 2)
        model.may_answer.set()
        engine.sights.put_nowait(seen(ReplicaState.GONE, pid=7, started_at=AT))
        found = await count(log, 3)

    assert [fact.state for fact in found] == [ReplicaState.READY, ReplicaState.EXITED, ReplicaState.GONE]
    assert {fact.smoke for fact in found} == {None}
