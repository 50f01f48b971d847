"""Deployers on a real log, with an engine, a vault and a gateway that do what a test says."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from deployment_world import make_deploy
from memory_engine import MemoryEngine
from memory_vault import MemoryVault
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.heartbeats import Heartbeats
from slipway_contracts import subjects
from slipway_contracts.commands import Command
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildFailed
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.topology import LEASES, LOG_LINES
from slipway_deployer.deployments import Deployments
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.timing.attendance import Attendance

KEY = ("default", "digits")


class Gateway:
    """Says what a gateway would: it has applied everything, and nothing is active."""

    def __init__(self) -> None:
        self.applied = 0
        self.idle: dict[str, int] = {}

    def records(self) -> tuple[GatewayRecord, ...]:
        return (GatewayRecord(gateway="one", applied=self.applied, active=self.idle, at=now()),)


def make_deployments(
    log: EventLog,
    engine: MemoryEngine,
    gateway: Gateway | None = None,
    vault: MemoryVault | None = None,
    clock: Callable[[], datetime] = now,
    *,
    attendance: Attendance | None = None,
    ports: FixedPorts | None = None,
) -> Deployments:
    lines = EventLog(connection=log._connection, stream=LOG_LINES.name)
    return Deployments(
        log=log,
        log_lines=lines,
        engine=engine,
        secrets=vault or MemoryVault(),
        gateways=(gateway or Gateway()).records,
        attendance=attendance or make_attendance(log, clock),
        ports=ports or FixedPorts(),
        clock=clock,
    )


def make_attendance(log: EventLog, clock: Callable[[], datetime] = now) -> Attendance:
    return Attendance(beats=Heartbeats(connection=log._connection, bucket=LEASES.name), clock=clock)


async def send(log: EventLog, command: Command | BuildFailed) -> str:
    envelope = Envelope(
        id=new_id(), type=command.type, source="/slipway/api", subject="default/digits", time=now()
    )
    await log.publish(Outgoing(subject=subjects.of(command), message=command, envelope=envelope))
    return envelope.id


async def see(
    log: EventLog,
    workload: str,
    replica: str,
    state: ReplicaState,
    *,
    transition: int = 1,
    deployment: str = "digits",
) -> None:
    fact = ReplicaFact(
        group="default",
        deployment=deployment,
        workload=workload,
        replica=replica,
        endpoint="predict",
        target="local",
        state=state,
        transition=transition,
        epoch=1,
        at=now(),
        address="127.0.0.1:9000",
    )
    envelope = Envelope(
        id=new_id(), type=fact.type, source="/slipway/monitor", subject="default/digits", time=now()
    )
    await log.publish(Outgoing(subject=subjects.of(fact), message=fact, envelope=envelope))


async def desired(log: EventLog) -> Desired:
    stored = await log.last(subjects.desired(*KEY))
    assert stored is not None
    assert isinstance(stored.message, Desired)
    return stored.message


async def events(log: EventLog) -> list[str]:
    return [stored.envelope.type async for stored in log.read("slipway.*.*.evt.>", after=0)]


async def make_live(log: EventLog, deployments: Deployments, gateway: Gateway, **config: Any) -> str:
    """Bring the first release of a deployment to LIVE; return its workload."""
    await send(log, make_deploy(**config))
    await deployments.advance(KEY)
    workload = (await desired(log)).workloads[0].workload.id
    await see(log, workload, "0-1", ReplicaState.READY)
    await deployments.advance(KEY)
    gateway.applied = await log.end()
    await deployments.advance(KEY)
    assert (await desired(log)).live is not None
    return workload
