import asyncio

from deployer_stand import KEY, Gateway, desired, events, make_deployments, make_live, see, send
from deployment_world import OWNER, make_deploy, make_failure, make_stop, make_version
from memory_engine import MemoryEngine
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import publish
from slipway_contracts.commands import Build
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildFailed
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_deployer.deployments import Deployments


async def make_ended(log: EventLog, deployments: Deployments, gateway: Gateway) -> None:
    """Bring the deployment live, and stop it until nothing of it is left."""
    workload = await make_live(log, deployments, gateway)
    await send(log, make_stop())
    await deployments.advance(KEY)
    gateway.applied, gateway.idle = await log.end(), {workload: 0}
    await deployments.advance(KEY)
    await see(log, workload, "0-1", ReplicaState.GONE, transition=2)
    await deployments.advance(KEY)


async def test_a_deploy_command_becomes_wishes_and_events(log: EventLog) -> None:
    engine = MemoryEngine()

    await send(log, make_deploy())
    await make_deployments(log, engine).advance(KEY)

    assert [workload.slots for workload in engine.wishes.values()] == [(1,)]
    assert await events(log) == [
        "deployment.created.v1",
        "operation.started.v1",
        "release.created.v1",
        "release.starting.v1",
    ]


async def test_a_redelivered_deploy_command_starts_no_second_replica(log: EventLog) -> None:
    engine = MemoryEngine()
    deployments = make_deployments(log, engine)
    await send(log, make_deploy())
    await deployments.advance(KEY)
    before = await events(log)

    await deployments.advance(KEY)
    await make_deployments(log, engine).advance(KEY)

    assert await events(log) == before
    assert [workload.slots for workload in engine.wishes.values()] == [(1,)]


async def test_racing_deployers_decide_once(log: EventLog) -> None:
    engine = MemoryEngine()
    await send(log, make_deploy())

    await asyncio.gather(*(make_deployments(log, engine).advance(KEY) for _ in range(8)))

    assert len(await events(log)) == 4
    assert len(engine.wishes) == 1


async def test_stop_handled_before_the_deploy_that_preceded_it_ends_stopped(log: EventLog) -> None:
    engine = MemoryEngine()
    await send(log, make_deploy())
    await send(log, make_stop())

    await asyncio.gather(*(make_deployments(log, engine).advance(KEY) for _ in range(2)))

    record = await desired(log)
    assert record.wanted is Wanted.STOPPED
    assert not record.unfinished
    assert "operation.superseded.v1" in await events(log)
    assert engine.wishes == {}


async def test_an_engine_that_was_down_gets_its_wishes_later(log: EventLog) -> None:
    engine = MemoryEngine()
    engine.down = True
    deployments = make_deployments(log, engine)
    await send(log, make_deploy())
    told = await deployments.advance(KEY)

    engine.down = False
    told_later = await deployments.advance(KEY)

    assert (told, told_later) == (False, True)

    assert len(engine.wishes) == 1
    assert (await events(log)).count("release.starting.v1") == 1


async def test_a_deployer_that_dies_between_decision_and_wish_is_replaced(log: EventLog) -> None:
    engine = MemoryEngine()
    engine.down = True
    await send(log, make_deploy())
    await make_deployments(log, engine).advance(KEY)

    engine.down = False
    await make_deployments(log, engine).advance(KEY)

    assert len(engine.wishes) == 1


async def test_traffic_moves_and_the_old_workload_goes_after_it_drained(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    old = await make_live(log, deployments, gateway)

    await send(log, make_deploy(make_version(2)))
    await deployments.advance(KEY)
    new = next(each for each in engine.wishes if each != old)
    await see(log, new, "0-1", ReplicaState.READY)
    await deployments.advance(KEY)
    gateway.applied = await log.end()
    await deployments.advance(KEY)
    while_draining = set(engine.wishes)
    gateway.applied, gateway.idle = await log.end(), {old: 0}
    await deployments.advance(KEY)

    assert while_draining == {old, new}
    assert set(engine.wishes) == {new}
    assert (await events(log))[-1] == "release.retired.v1"


async def test_an_emptied_log_removes_no_workload(log: EventLog) -> None:
    engine = MemoryEngine()
    await send(log, make_deploy())
    await make_deployments(log, engine).advance(KEY)
    running = dict(engine.wishes)

    await make_deployments(log, engine).advance(("default", "forgotten"), resync=True)

    assert engine.wishes == running


async def test_a_resync_tells_the_engine_its_wishes_again(log: EventLog) -> None:
    engine = MemoryEngine()
    deployments = make_deployments(log, engine)
    await send(log, make_deploy())
    await deployments.advance(KEY)
    engine.wishes.clear()

    await deployments.advance(KEY)
    unchanged = dict(engine.wishes)
    await deployments.advance(KEY, resync=True)

    assert unchanged == {}
    assert len(engine.wishes) == 1


async def test_a_new_revision_tells_only_the_wishes_that_changed(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    old = await make_live(log, deployments, gateway)
    engine.wishes.clear()

    await send(log, make_deploy(make_version(2)))
    await deployments.advance(KEY)

    assert {each.workload.id for each in (await desired(log)).workloads} == {old, *engine.wishes}
    assert old not in engine.wishes


async def test_a_deployer_tells_every_wish_after_another_decided(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    old = await make_live(log, deployments, gateway)
    engine.wishes.clear()

    await send(log, make_deploy(make_version(2)))
    await make_deployments(log, MemoryEngine(), gateway).advance(KEY)
    await deployments.advance(KEY)

    assert old in engine.wishes
    assert len(engine.wishes) == 2


async def test_a_workload_that_comes_back_is_a_new_attempt_and_no_crash(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    await make_ended(log, deployments, gateway)
    assert (await desired(log)).ended

    await send(log, make_deploy())
    await deployments.advance(KEY)

    again = (await desired(log)).workloads[0]
    assert again.workload.replica_ids == ("0-2",)
    assert again.crashes == (0,)


async def test_a_removal_is_told_to_the_engine_even_if_an_earlier_life_is_gone(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    deployments = make_deployments(log, engine, gateway)
    await make_ended(log, deployments, gateway)
    await send(log, make_deploy())
    await deployments.advance(KEY)

    await send(log, make_stop())
    await deployments.advance(KEY)

    assert engine.wishes == {}
    assert not (await desired(log)).ended


async def test_a_deploy_that_names_a_build_which_ended_before_it_ends_too(log: EventLog) -> None:
    build = make_version().build
    await send(log, failed_build(build))

    await send(log, make_deploy(build=build))
    await make_deployments(log, MemoryEngine()).advance(KEY)

    assert (await events(log))[-2:] == ["release.failed.v1", "operation.failed.v1"]


async def test_a_command_that_nobody_can_read_fails_and_blocks_no_other(log: EventLog) -> None:
    engine = MemoryEngine()
    envelope = Envelope(
        id=new_id(), type="command.deploy.v1", source="/test", subject="default/digits", time=now()
    )
    await publish(
        log._connection,
        "slipway.default.digits.cmd.deployer.deploy",
        b'{"type": "command.deploy.v1", "broken": true}',
        headers=envelope.to_headers(),
        within=5,
    )
    await send(log, make_deploy())

    await make_deployments(log, engine).advance(KEY)

    assert "operation.failed.v1" in await events(log)
    assert len(engine.wishes) == 1


async def test_hundreds_of_commands_that_waited_are_decided_in_bounded_batches(log: EventLog) -> None:
    engine = MemoryEngine()
    for number in range(260):
        await send(log, make_deploy(make_version(number)))

    await make_deployments(log, engine).advance(KEY)

    record = await desired(log)
    assert record.next_release == 261
    assert record.unfinished
    assert len(engine.wishes) == 1


async def test_the_end_of_a_build_that_was_just_asked_for_is_not_looked_for_in_the_whole_past(
    log: EventLog, connection: Connection
) -> None:
    for number in range(60):
        await send(log, failed_build(derived_id("build", number)))
    build = await send(log, make_build())
    await send(log, make_deploy(build=build))
    await send(log, failed_build(build))
    before = connection.nc.stats["in_msgs"]

    await make_deployments(log, MemoryEngine()).advance(KEY)
    received = connection.nc.stats["in_msgs"] - before

    assert (await events(log))[-2:] == ["release.failed.v1", "operation.failed.v1"]
    assert received < 60, received


def failed_build(build: str) -> BuildFailed:
    return BuildFailed(group="default", deployment="digits", build=build, failure=make_failure())


def make_build() -> Build:
    return Build(**OWNER, source=f"sha256:{1:064x}", deadline_at=now())
