"""A monitor among facts that a newer release wrote, and among those of replicas that are gone."""

from eventually import eventually
from integration.monitor.terms import AT, REPLICA, count, facts, seen, watching
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import publish
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.replica import ReplicaState
from slipway_engines.engine import SnapshotComplete
from slipway_monitor.observed_records import ObservedRecords

SUBJECT = subjects.replica("default", "digits", REPLICA.workload.id, REPLICA.id)


async def write_newer(connection: Connection, *, epoch: int) -> None:
    body = b'{"type": "replica.v9", "epoch": %d, "transition": 41}' % epoch
    envelope = Envelope(id=new_id(), type="replica.v9", source="/newer", subject="x/y", time=now())
    await publish(connection, SUBJECT, body, headers=envelope.to_headers(), within=5)


async def test_a_monitor_goes_on_behind_a_fact_that_it_cannot_read(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()
    await write_newer(connection, epoch=1)

    async with watching(connection, engine, epoch=2) as term:
        engine.sights.put_nowait(SnapshotComplete(at=AT))
        engine.sights.put_nowait(seen(ReplicaState.STARTED))
        engine.sights.put_nowait(seen(ReplicaState.READY))
        found = await count(log, 2)
        assert not term.done()

    assert [(fact.state, fact.epoch, fact.transition) for fact in found] == [
        (ReplicaState.STARTED, 2, 42),
        (ReplicaState.READY, 2, 43),
    ]


async def test_a_monitor_leaves_the_record_of_its_successor_that_it_cannot_read(
    log: EventLog, connection: Connection
) -> None:
    engine = MemoryEngine()

    async with watching(connection, engine, epoch=1) as predecessor:
        await write_newer(connection, epoch=2)
        engine.sights.put_nowait(seen(ReplicaState.READY))
        await eventually(predecessor.done)

    assert "epoch 2" in str(predecessor.exception())
    assert await facts(log) == []


async def test_what_is_gone_is_kept_no_longer_and_goes_on_where_it_ended_when_it_is_back(
    log: EventLog, connection: Connection
) -> None:
    engine, records = MemoryEngine(), ObservedRecords(log=log, target="local", epoch=1)
    for state in (ReplicaState.STARTED, ReplicaState.READY, ReplicaState.GONE):
        await records.record(seen(state))
    kept_at_the_end = dict(records._known)

    async with watching(connection, engine, epoch=1):
        engine.sights.put_nowait(seen(ReplicaState.GONE))
        engine.sights.put_nowait(seen(ReplicaState.STARTED))
        await count(log, 4)
    next_one = ObservedRecords(log=log, target="local", epoch=2)
    await next_one.load()
    kept_of_one_that_is_back = list(next_one._known)
    await next_one.forget_unseen(set())
    after_it = ObservedRecords(log=log, target="local", epoch=3)
    await after_it.load()

    assert kept_at_the_end == {}
    assert kept_of_one_that_is_back == [(REPLICA.workload.id, REPLICA.id)]
    assert after_it._known == {}
    assert [(fact.state, fact.transition) for fact in await facts(log)] == [
        (ReplicaState.STARTED, 1),
        (ReplicaState.READY, 2),
        (ReplicaState.GONE, 3),
        (ReplicaState.STARTED, 4),
        (ReplicaState.GONE, 5),
    ]
