"""What waits for the gateways is looked at when they have applied its record, whichever is told first."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from deployer_stand import KEY, Gateway, desired, make_deployments, see, send
from deployment_world import make_deploy
from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts.envelope import now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.records import Key
from slipway_deployer.timing.agenda import Agenda


class Looks:
    """Keeps which deployments were looked at; it changes nothing."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    async def wake(self, key: Key, *, resync: bool = False) -> bool:
        assert not resync
        self.keys.append(key)
        return True

    async def disown(self, key: Key, strays: Sequence[ReplicaFact]) -> bool:
        raise AssertionError(f"{strays} of {key} are wanted")


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
async def agenda(log: EventLog, looks: Looks) -> AsyncIterator[Agenda]:
    """One whose first look at everything lies behind it: there was nothing yet."""
    agenda = Agenda(log=log, wake=looks.wake, disown=looks.disown, ports=FixedPorts())
    tasks = [asyncio.create_task(agenda.follow()), asyncio.create_task(agenda.run())]
    await agenda._caught_up.wait()
    yield agenda
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def make_shifting(log: EventLog) -> int:
    """Bring a release to where the gateways shall send it requests; return the sequence of that record."""
    deployments = make_deployments(log, MemoryEngine(), Gateway())
    await send(log, make_deploy())
    await deployments.advance(KEY)
    await see(log, (await desired(log)).workloads[0].workload.id, "0-1", ReplicaState.READY)
    await deployments.advance(KEY)
    assert (await desired(log)).shifting
    return await log.end()


def applied(sequence: int) -> tuple[GatewayRecord, ...]:
    return (GatewayRecord(gateway="one", applied=sequence, at=now()),)


async def test_a_deployment_is_looked_at_when_the_last_gateway_tells_of_its_record(
    log: EventLog, agenda: Agenda, looks: Looks
) -> None:
    sequence = await make_shifting(log)
    late = applied(sequence - 1)[0].model_copy(update={"gateway": "two"})
    await eventually(lambda: agenda._outlooks[KEY].sequence == sequence if agenda._outlooks else False)

    agenda.gateways_changed((*applied(sequence), late))
    assert looks.keys == []
    agenda.gateways_changed((*applied(sequence), late.model_copy(update={"applied": sequence})))

    await eventually(lambda: looks.keys == [KEY])


async def test_a_record_of_which_the_gateways_told_before_the_log_did_is_looked_at(
    log: EventLog, agenda: Agenda, looks: Looks
) -> None:
    agenda.gateways_changed(applied(10_000))

    await make_shifting(log)

    await eventually(lambda: KEY in looks.keys)
