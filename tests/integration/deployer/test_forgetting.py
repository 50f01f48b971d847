"""A deployer keeps nothing of deployments that are over, however many there were."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from deployer_stand import KEY, make_deployments, see, send
from deployment_world import make_deploy, make_purge, make_stop
from eventually import eventually
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.commands import Command
from slipway_contracts.desired import Desired
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import Workload
from slipway_deployer.deployments import Deployments
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.records import Key
from slipway_deployer.timing.agenda import Agenda
from slipway_deployer.timing.wakeups import Wakeups

MANY = [f"brief-{number}" for number in range(25)]


@dataclass
class Deployer:
    """One that follows the log, and whose deployments are brought forward by the test too."""

    log: EventLog
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    ports: FixedPorts = field(default_factory=FixedPorts)
    deployments: Deployments = field(init=False)
    wakeups: Wakeups = field(init=False)
    agenda: Agenda = field(init=False)

    def __post_init__(self) -> None:
        self.deployments = make_deployments(self.log, self.engine, ports=self.ports)
        self.wakeups = Wakeups(advance=self.deployments.advance, disown=self.deployments.disown)
        self.agenda = Agenda(
            log=self.log, wake=self.wakeups.wake, disown=self.wakeups.disown, ports=self.ports
        )

    @property
    def known(self) -> set[Key]:
        """The deployments of which it keeps anything."""
        deployments, agenda = self.deployments, self.agenda
        kept = (deployments._reconciled, deployments._named, deployments._refused, agenda._outlooks)
        return set[Key]().union(
            *kept, agenda._looks._at, agenda._awaiting_gateways, self.ports._noted, self.wakeups._lanes
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.agenda.run()), asyncio.create_task(self.agenda.follow())]
        try:
            yield
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def tell(log: EventLog, command: Command, name: str) -> None:
    await send(log, command.model_copy(update={"deployment": name}))


async def record(log: EventLog, name: str) -> Desired:
    stored = await log.last(subjects.desired("default", name))
    assert stored is not None
    assert isinstance(stored.message, Desired)
    return stored.message


async def run_briefly(log: EventLog, deployer: Deployer, name: str, end: Command) -> Workload:
    """Let a deployment come, be seen, and end, until nothing of it is left; return what it ran."""
    await tell(log, make_deploy(), name)
    await deployer.wakeups.wake(("default", name))
    workload = (await record(log, name)).workloads[0].workload
    await see(log, workload.id, "0-1", ReplicaState.READY, deployment=name)
    await tell(log, end, name)
    await deployer.wakeups.wake(("default", name))
    await see(log, workload.id, "0-1", ReplicaState.GONE, transition=2, deployment=name)
    await deployer.wakeups.wake(("default", name))
    assert (await record(log, name)).ended
    return workload


async def test_purged_deployments_leave_nothing_behind(log: EventLog) -> None:
    deployer = Deployer(log)
    await send(log, make_deploy())
    await deployer.wakeups.wake(KEY)

    async with deployer.at_work():
        for name in MANY:
            await run_briefly(log, deployer, name, make_purge())

        await eventually(lambda: deployer.known == {KEY})


async def test_a_deployer_that_starts_keeps_nothing_of_what_was_purged_before(log: EventLog) -> None:
    before = Deployer(log)
    for name in MANY:
        await run_briefly(log, before, name, make_purge())
    await send(log, make_deploy())
    await before.wakeups.wake(KEY)
    deployer = Deployer(log)

    async with deployer.at_work():
        await eventually(lambda: deployer.known == {KEY})


async def test_a_deployment_that_was_forgotten_runs_again_as_any_other(log: EventLog) -> None:
    deployer = Deployer(log)
    async with deployer.at_work():
        await run_briefly(log, deployer, "again", make_stop())
        await eventually(lambda: deployer.known == set())

        await tell(log, make_deploy(), "again")
        await deployer.wakeups.wake(("default", "again"))

        desired = await record(log, "again")
        await eventually(lambda: set(deployer.engine.wishes) == {desired.workloads[0].workload.id})
        await eventually(lambda: deployer.known == {("default", "again")})


async def test_what_runs_on_of_a_forgotten_deployment_is_removed(log: EventLog) -> None:
    deployer = Deployer(log)
    async with deployer.at_work():
        workload = await run_briefly(log, deployer, "gone", make_purge())
        await eventually(lambda: deployer.known == set())
        deployer.engine.wishes[workload.id] = workload

        await see(log, workload.id, "0-1", ReplicaState.READY, transition=3, deployment="gone")
        await eventually(lambda: deployer.engine.wishes == {})

        await see(log, workload.id, "0-1", ReplicaState.GONE, transition=4, deployment="gone")
        await eventually(lambda: deployer.known == set())
