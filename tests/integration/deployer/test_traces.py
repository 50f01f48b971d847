"""What is decided is told in the trace of the command that it is about."""

from deployer_stand import KEY, Gateway, desired, make_deployments, make_live, see, send
from deployment_world import make_redeploy, make_version
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog, Stored
from slipway_contracts import subjects
from slipway_contracts.commands import Command
from slipway_contracts.replica import ReplicaState
from slipway_deployer.deployments import Deployments


def trace_of(stored: Stored | None) -> str:
    assert stored is not None
    return traced(stored.envelope.traceparent)


def traced(traceparent: str | None) -> str:
    assert traceparent is not None
    return traceparent.split("-")[1]


async def command(log: EventLog, deployments: Deployments, command: Command) -> str:
    """Let a command be decided, and return its trace."""
    await send(log, command)
    trace = trace_of(await log.last(subjects.of(command)))
    await deployments.advance(KEY)
    return trace


async def test_the_record_of_a_switch_is_in_the_trace_of_what_goes_live_not_of_what_it_replaces(
    log: EventLog,
) -> None:
    gateway = Gateway()
    deployments = make_deployments(log, MemoryEngine(), gateway)
    first = await make_live(log, deployments, gateway)

    trace = await command(log, deployments, make_redeploy(make_version(2)))
    decided = trace_of(await log.last(subjects.desired(*KEY)))
    second = next(each.workload.id for each in (await desired(log)).workloads if each.workload.id != first)
    await see(log, second, "0-1", ReplicaState.READY)
    await deployments.advance(KEY)
    shifted = trace_of(await log.last(subjects.desired(*KEY)))
    gateway.applied = await log.end()
    await deployments.advance(KEY)
    draining = await log.last("slipway.default.digits.evt.release.draining")

    assert [decided, shifted, trace_of(await log.last(subjects.desired(*KEY)))] == [trace] * 3
    assert trace_of(draining) != trace


async def test_replicas_that_a_scale_adds_are_wished_for_in_its_trace(log: EventLog) -> None:
    gateway, engine = Gateway(), MemoryEngine()
    deployments = make_deployments(log, engine, gateway)
    workload = await make_live(log, deployments, gateway)
    before = traced(engine.wishes[workload].traceparent)

    trace = await command(log, deployments, make_redeploy(make_version(), replicas=3))
    added = traced(engine.wishes[workload].traceparent)
    back = await command(log, deployments, make_redeploy(make_version(), replicas=2))

    assert before not in {trace, back}
    assert added == trace
    assert traced(engine.wishes[workload].traceparent) == trace
