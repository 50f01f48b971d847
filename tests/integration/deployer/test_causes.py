"""Every event of a batch names the message that led to it, and none where no message did."""

from typing import cast

from deployer_stand import KEY, Gateway, desired, make_deployments, make_live, see, send
from deployment_world import make_deploy, make_failure, make_set_alias, make_version
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import BuildFailed
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState

ASKED = "slipway.*.*.cmd.deployer.deploy"


async def told(log: EventLog, kind: str) -> list[Envelope]:
    return [stored.envelope async for stored in log.read(f"slipway.*.*.evt.{kind}", after=0)]


async def causes(log: EventLog, kind: str) -> list[str | None]:
    return [each.causation_id for each in await told(log, kind)]


async def records(log: EventLog) -> list[Envelope]:
    return [stored.envelope async for stored in log.read(subjects.desired(*KEY), after=0)]


async def test_of_two_commands_decided_together_each_is_the_cause_of_its_own_events(log: EventLog) -> None:
    first = await send(log, make_deploy())
    second = await send(log, make_deploy(make_version(2)))

    await make_deployments(log, MemoryEngine()).advance(KEY)

    assert await causes(log, "operation.started") == [first, second]
    assert await causes(log, "release.superseded") == [second]
    assert (await records(log))[0].causation_id == second


async def test_a_command_that_the_batch_had_no_room_for_causes_nothing_of_it(log: EventLog) -> None:
    for number in range(150):
        await send(log, make_deploy(make_version(number)))
    asked = {stored.sequence: stored.envelope async for stored in log.read(ASKED, after=0)}

    await make_deployments(log, MemoryEngine()).advance(KEY)

    written = [stored async for stored in log.read(subjects.desired(*KEY), after=0)]
    first, *_ = written
    newest = asked[cast("Desired", first.message).position]
    assert newest.id != list(asked.values())[-1].id
    assert (first.envelope.causation_id, first.envelope.traceparent) == (newest.id, newest.traceparent)
    assert {each.causation_id for each in await told(log, "release.created")} == {
        each.id for each in asked.values()
    }


async def test_what_is_judged_is_not_caused_by_a_command_that_waits_beside_it(log: EventLog) -> None:
    deployments = make_deployments(log, MemoryEngine())
    await send(log, make_deploy())
    await deployments.advance(KEY)
    workload = (await desired(log)).workloads[0].workload.id

    await see(log, workload, "0-1", ReplicaState.READY)
    refused = await send(log, make_set_alias("staging", {7: 100}))
    await deployments.advance(KEY)

    assert await causes(log, "release.ready") == [None]
    assert refused in await causes(log, "operation.failed")


async def test_a_record_that_only_observations_changed_has_no_cause(log: EventLog) -> None:
    gateway = Gateway()

    await make_live(log, make_deployments(log, MemoryEngine(), gateway), gateway)

    assert (await records(log))[-1].causation_id is None


async def test_the_end_of_a_build_is_the_cause_of_what_it_ends(log: EventLog) -> None:
    deployments, build = make_deployments(log, MemoryEngine()), derived_id("build", 5)
    await send(log, make_deploy(build=build))
    await deployments.advance(KEY)

    end = await send(log, failed_build(build))
    await deployments.advance(KEY)

    assert await causes(log, "release.failed") == [end]


async def test_where_a_build_ended_before_it_was_asked_for_the_command_is_the_cause(
    log: EventLog,
) -> None:
    build = derived_id("build", 5)
    await send(log, failed_build(build))

    command = await send(log, make_deploy(build=build))
    await make_deployments(log, MemoryEngine()).advance(KEY)

    assert await causes(log, "release.failed") == [command]


def failed_build(build: str) -> BuildFailed:
    return BuildFailed(group="default", deployment="digits", build=build, failure=make_failure())
