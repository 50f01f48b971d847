import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from deployer_stand import KEY, Gateway, desired, events, make_deployments, make_live, see, send
from deployment_world import make_deploy, make_version
from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import Workload
from slipway_deployer.deployments import Deployments
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.timing.agenda import Agenda
from slipway_deployer.timing.wakeups import Wakeups

STRAY = "0123456789abcdef"


@asynccontextmanager
async def following(log: EventLog, deployments: Deployments) -> AsyncIterator[None]:
    """Keep the agenda of a deployer."""
    wakeups = Wakeups(advance=deployments.advance, disown=deployments.disown)
    agenda = Agenda(log=log, wake=wakeups.wake, disown=wakeups.disown, ports=FixedPorts())
    tasks = [asyncio.create_task(agenda.follow()), asyncio.create_task(agenda.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SlowEngine(MemoryEngine):
    """Takes a wish only when it is let."""

    def __init__(self, other: MemoryEngine) -> None:
        super().__init__()
        self.wishes = other.wishes
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def apply(self, workload: Workload, secrets: Mapping[str, str] | None = None) -> None:
        self.asked.set()
        await self.let.wait()
        await super().apply(workload, secrets)


async def make_wishes(log: EventLog) -> MemoryEngine:
    engine = MemoryEngine()
    await send(log, make_deploy())
    await make_deployments(log, engine).advance(KEY)
    return engine


async def test_what_runs_and_is_named_no_more_is_removed_when_it_is_seen(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    wanted = await make_live(log, deployments, gateway)
    engine.wishes[STRAY] = engine.wishes[wanted].model_copy(update={"id": STRAY})

    async with following(log, deployments):
        await see(log, STRAY, "0-1", ReplicaState.READY)
        await eventually(lambda: STRAY not in engine.wishes)

    assert set(engine.wishes) == {wanted}


async def test_what_ran_before_a_deployer_began_is_removed_too(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    wanted = await make_live(log, deployments, gateway)
    engine.wishes[STRAY] = engine.wishes[wanted].model_copy(update={"id": STRAY})
    await see(log, STRAY, "0-1", ReplicaState.READY)

    async with following(log, make_deployments(log, engine, gateway)):
        await eventually(lambda: STRAY not in engine.wishes)

    assert set(engine.wishes) == {wanted}


async def test_a_workload_of_a_deployment_without_a_record_is_left_alone_and_reported_once(
    log: EventLog,
) -> None:
    engine = MemoryEngine()
    deployments = make_deployments(log, engine)
    wished = (await make_wishes(log)).wishes
    engine.wishes[STRAY] = next(iter(wished.values())).model_copy(update={"id": STRAY})
    await see(log, STRAY, "0-1", ReplicaState.READY, deployment="forgotten")
    await see(log, STRAY, "1-1", ReplicaState.READY, deployment="forgotten")

    async def told() -> bool:
        return "workload.unknown.v1" in await events(log)

    async with following(log, deployments):
        await eventually(told)
    async with following(log, make_deployments(log, engine)):
        await see(log, STRAY, "0-1", ReplicaState.UNREADY, transition=2, deployment="forgotten")
        await eventually(told)

    assert (await events(log)).count("workload.unknown.v1") == 1
    assert STRAY in engine.wishes


async def test_a_deployer_that_told_an_old_record_late_takes_it_back(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    slow = SlowEngine(engine)
    late, other = make_deployments(log, slow, gateway), make_deployments(log, engine, gateway)
    await send(log, make_deploy())
    telling = asyncio.create_task(late.advance(KEY))
    await slow.asked.wait()
    old = (await desired(log)).workloads[0].workload.id

    await send(log, make_deploy(make_version(2)))
    await other.advance(KEY)
    slow.let.set()
    await telling

    assert old not in engine.wishes
    assert set(engine.wishes) == {each.workload.id for each in (await desired(log)).workloads}


async def test_what_a_deployer_told_late_before_it_died_goes_when_it_is_seen(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    other = make_deployments(log, engine, gateway)
    await send(log, make_deploy())
    await other.advance(KEY)
    told = (await desired(log)).workloads[0].workload
    await see(log, told.id, "0-1", ReplicaState.GONE)
    await send(log, make_deploy(make_version(2)))
    await other.advance(KEY)
    forgotten = not (await desired(log)).removed

    await engine.apply(told)
    async with following(log, other):
        await see(log, told.id, "0-1", ReplicaState.READY, transition=2)
        await eventually(lambda: told.id not in engine.wishes)

    assert forgotten
