"""What somebody took away by hand is seen, and comes back with the next wish."""

from datetime import UTC, datetime

from contract.engines.apps import ask
from contract.engines.local_target import LocalTarget
from contract.engines.sightings import Sightings, observing
from contract.engines.target import workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import Workload
from slipway_engines.engine import Engine
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.rpc import Call


def program_of(target: LocalTarget) -> Program:
    (program,) = ProgramFiles(target.settings).wished()
    return program


async def another_process_serves(seen: Sightings, workload: Workload, before: int | None) -> None:
    """Wait until another process than before serves."""
    await eventually(lambda: seen.of(workload, "0-1")[-1].pid not in (None, before))
    (after,) = (await seen.ready(workload)).values()
    assert (await ask(after.address))["pid"] == after.pid


async def test_a_program_that_was_stopped_and_removed_comes_back(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        name = program_of(target).name
        await target.client().call(Call("stopProcess", (name, True)))
        await target.client().call(Call("removeProcessGroup", (name,)))
        await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="stopped, by hand")

        await engine.apply(workload)

        await another_process_serves(seen, workload, ready.pid)


async def test_a_wish_taken_after_a_stop_by_hand_was_seen_brings_the_replica_back(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        await target.client().call(Call("stopProcess", (program_of(target).name, False)))
        await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="stopped, by hand")

        await eventually(lambda: is_taken(engine, workload))

        await another_process_serves(seen, workload, ready.pid)


async def is_taken(engine: Engine, workload: Workload) -> bool:
    """Whether the engine took the wish: not while supervisord waits for what it stopped."""
    try:
        await engine.apply(workload)
    except EngineUnavailableError:
        return False
    return True


async def test_a_replica_whose_program_file_was_deleted_is_replaced(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        deleted_at = datetime.now(UTC)
        ProgramFiles(target.settings).withdraw(program_of(target))
        leaving = await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="told to end")
        assert leaving.at >= deleted_at

        await engine.apply(workload)

        await another_process_serves(seen, workload, ready.pid)
        await eventually(lambda: len(target.processes()) == 1)


async def test_the_wait_for_a_stopped_target_begins_when_it_stopped_not_when_the_replica_started(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        stopped_at = datetime.now(UTC)

        await target.down()

        paused = await seen.until(workload, "0-1", ReplicaState.UNREADY)
        assert paused.at >= stopped_at
