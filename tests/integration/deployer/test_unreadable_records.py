"""A deployment that this release cannot judge holds up no other, and what is said of it can be ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from deployer_stand import KEY, desired, events, make_deployments, see, send
from deployment_world import make_deploy
from eventually import eventually
from memory_engine import MemoryEngine
from prometheus_client import CollectorRegistry
from slipway_chassis.acknowledgement import DeadMessage
from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.jetstream_api import publish
from slipway_chassis.leases import Leases
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import OperationStarted
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_deployer.dead_messages import DeadMessages
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.meters import Meters
from slipway_deployer.records import Key, RecordUnreadableError
from slipway_deployer.timing.agenda import Agenda
from slipway_deployer.timing.targets import TargetWatch
from slipway_deployer.timing.wakeups import Wakeups

SICK = ("default", "sick")
NEWER = b'{"type": "deployment.desired.v9", "wanted": "twice"}'


async def write(log: EventLog, subject: str, kind: str, body: bytes = NEWER) -> None:
    """Put what a newer release wrote into the log."""
    envelope = Envelope(id=new_id(), type=kind, source="/newer", subject="default/sick", time=now())
    await publish(log._connection, subject, body, headers=envelope.to_headers(), within=5)


async def write_record(log: EventLog, key: Key = SICK) -> None:
    await write(log, subjects.desired(*key), "deployment.desired.v9")


@asynccontextmanager
async def kept(agenda: Agenda) -> AsyncIterator[asyncio.Task[None]]:
    tasks = [asyncio.create_task(agenda.run()), asyncio.create_task(agenda.follow())]
    try:
        yield tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_unreadable_record_holds_up_no_other_deployment(log: EventLog) -> None:
    await write_record(log)
    await see(log, "0123456789abcdef", "0-1", ReplicaState.READY, deployment="sick")
    await send(log, make_deploy())
    await make_deployments(log, MemoryEngine()).advance(KEY)
    engine, registry = MemoryEngine(), CollectorRegistry()
    deployments = make_deployments(log, engine)
    wakeups = Wakeups(advance=deployments.advance, disown=deployments.disown)
    agenda = Agenda(
        log=log,
        wake=wakeups.wake,
        disown=wakeups.disown,
        ports=FixedPorts(),
        meters=Meters(registry=registry),
    )

    async with kept(agenda) as running:
        await eventually(lambda: engine.wishes)
        await eventually(lambda: registry.get_sample_value("slipway_deployments_not_judged") == 1)
        await see(log, "0123456789abcdef", "1-1", ReplicaState.READY, deployment="sick")
        await eventually(lambda: len(agenda._outlooks[SICK].running) == 2)
        assert not running.done()

    assert set(engine.wishes) == {each.workload.id for each in (await desired(log)).workloads}


async def test_a_decision_waits_until_its_record_can_be_read(log: EventLog) -> None:
    await write_record(log, KEY)
    await send(log, make_deploy())

    with pytest.raises(RecordUnreadableError, match=r"deployment\.desired\.v9") as caught:
        await make_deployments(log, MemoryEngine()).advance(KEY)

    assert isinstance(caught.value, TransientError)
    assert await events(log) == []


class Clock:
    """Stands still between steps."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


class Sickness:
    """Fails each look at one deployment with an error that nobody foresaw, while it lasts."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lasts = True
        self.looks: list[datetime] = []
        self.resynced: set[Key] = set()
        self.disowned: list[datetime] = []

    async def wake(self, key: Key, *, resync: bool = False) -> bool:
        if resync:
            self.resynced.add(key)
        if key == SICK:
            self.looks.append(self.clock.at)
            if self.lasts:
                raise ValueError("the judgement has a mistake")
        return True

    async def disown(self, key: Key, strays: Sequence[ReplicaFact]) -> bool:
        if key == SICK:
            self.disowned.append(self.clock.at)
        raise ValueError(f"nothing can be told of {strays}")


async def test_what_cannot_be_judged_is_looked_at_less_and_less_often(log: EventLog) -> None:
    clock = Clock()
    sickness, registry = Sickness(clock), CollectorRegistry()
    agenda = Agenda(
        log=log,
        wake=sickness.wake,
        disown=sickness.disown,
        ports=FixedPorts(),
        meters=Meters(registry=registry),
        clock=clock,
    )
    await see(log, "0123456789abcdef", "0-1", ReplicaState.READY, deployment="sick")
    await see(log, "0123456789abcdef", "0-1", ReplicaState.READY)

    async with kept(agenda) as running:
        await eventually(lambda: sickness.resynced == {SICK, KEY})
        for _ in range(55):
            clock.at += timedelta(seconds=1)
            agenda.gateways_changed(())
            for _ in range(20):
                await asyncio.sleep(0)
        disowned = list(sickness.disowned)
        failing = registry.get_sample_value("slipway_deployments_not_judged")
        sickness.lasts = False
        clock.at += timedelta(seconds=60)
        agenda.gateways_changed(())
        await eventually(lambda: registry.get_sample_value("slipway_deployments_not_judged") == 0)
        assert not running.done()

    assert failing == 1
    begin = sickness.looks[0]
    assert [(at - begin).total_seconds() for at in sickness.looks[:6]] == [0, 1, 3, 7, 15, 31]
    assert [(at - begin).total_seconds() for at in disowned] == [0, 20, 40]


async def bury(log: EventLog, sequence: int) -> None:
    stored = await log.get(sequence)
    assert stored is not None
    await DeadMessages(log=log).bury(DeadMessage(stored=stored, deliveries=20, error="RecordUnreadableError"))


async def test_a_command_behind_an_unreadable_record_can_be_given_up(log: EventLog) -> None:
    await write_record(log, KEY)
    await send(log, make_deploy())

    await bury(log, await log.end())

    assert await events(log) == ["message.dead.v1", "operation.failed.v1"]


async def test_a_command_that_a_newer_release_decided_keeps_its_outcome(log: EventLog) -> None:
    operation = await send(log, make_deploy())
    sequence = await log.end()
    begun = OperationStarted(group=KEY[0], deployment=KEY[1], operation=operation)
    envelope = Envelope(id=new_id(), type=begun.type, source="/newer", subject="default/digits", time=now())
    await log.publish(Outgoing(subject=subjects.of(begun), message=begun, envelope=envelope))
    await write_record(log, KEY)

    await bury(log, sequence)

    assert await events(log) == ["operation.started.v1", "message.dead.v1"]


async def test_a_target_is_watched_although_a_newer_release_said_something_of_it(log: EventLog) -> None:
    await write(log, "slipway._._.evt.target.found", "target.found.v9")
    watch = TargetWatch(
        log=log,
        leases=Leases(connection=log._connection, holder="deployer"),
        target="local",
        lost_after=timedelta(0),
    )

    watching = asyncio.create_task(watch.run())

    async def lost() -> bool:
        assert not watching.done()
        return "target.lost.v1" in await events(log)

    await eventually(lost)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
