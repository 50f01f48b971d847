"""A deployment fails for a port only while the log says that another one has it."""

import pytest
from deployer_stand import KEY, desired, make_deployments, send
from deployment_world import live_world, make_deploy, make_stop, make_version
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.lifecycle import ReleaseState
from slipway_deployer.fixed_ports import FixedPorts


async def write(log: EventLog, record: Desired) -> int:
    """Write a record of the deployment `numbers`."""
    record = record.model_copy(update={"deployment": "numbers"})
    envelope = Envelope(
        id=new_id(), type=record.type, source="/slipway/test", subject="default/numbers", time=now()
    )
    outgoing = Outgoing(subject=subjects.of(record), message=record, envelope=envelope)
    return (await log.publish(outgoing)).sequence


@pytest.mark.parametrize("is_behind", [True, False])
async def test_a_holder_that_has_just_given_its_port_back_fails_nobody(
    log: EventLog, *, is_behind: bool
) -> None:
    holder, ports = live_world(make_version(fixed_port=8000)), FixedPorts()
    record = holder.record.model_copy(update={"deployment": "numbers"})
    ports.note(record, await write(log, holder.record))
    if is_behind:
        holder.send(make_stop())
        await write(log, holder.record)
    await send(log, make_deploy(make_version(2, fixed_port=8000)))

    await make_deployments(log, MemoryEngine(), ports=ports).advance(KEY)

    states = [release.state for release in (await desired(log)).releases]
    assert states == ([ReleaseState.STARTING] if is_behind else [])
