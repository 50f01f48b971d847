from datetime import datetime, timedelta

from deployer_stand import KEY, Gateway, desired, make_deployments, make_live, see
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts.envelope import now
from slipway_contracts.replica import ReplicaState


def later() -> datetime:
    return now() + timedelta(seconds=31)


async def test_a_replica_that_was_ready_and_has_long_been_silent_is_started_again(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    workload = await make_live(log, make_deployments(log, engine, gateway), gateway)

    await see(log, workload, "0-1", ReplicaState.UNREADY, transition=2)
    await make_deployments(log, engine, gateway, clock=later).advance(KEY)

    assert engine.wishes[workload].replica_ids == ("0-2",)


async def test_a_replica_that_loads_its_model_for_long_is_left_alone(log: EventLog) -> None:
    engine, gateway = MemoryEngine(), Gateway()
    workload = await make_live(log, make_deployments(log, engine, gateway), gateway)
    await see(log, workload, "0-1", ReplicaState.EXITED, transition=2)
    ahead = make_deployments(log, engine, gateway, clock=later)
    await ahead.advance(KEY)

    await see(log, workload, "0-2", ReplicaState.UNREADY)
    await ahead.advance(KEY)

    assert (await desired(log)).workloads[0].workload.replica_ids == ("0-2",)
