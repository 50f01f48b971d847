"""The deployer's process: what wakes a deployment, put together."""

from slipway_chassis.broker import Delivered, LogBroker, handle_until, make_broker, subscribe
from slipway_chassis.event_log import EventLog
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.leases import Leases
from slipway_chassis.process import Service, run_service
from slipway_chassis.secrets import Secrets, Vault
from slipway_contracts import subjects
from slipway_contracts.commands import (
    Cancel,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildSucceeded
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.topology import DEPLOYER, GATEWAYS, LEASES, LOG_LINES

from slipway_deployer.dead_messages import DeadMessages
from slipway_deployer.deployments import Deployments
from slipway_deployer.fixed_ports import FixedPorts
from slipway_deployer.gateways import Gateways
from slipway_deployer.inbox import require_own
from slipway_deployer.meters import Meters
from slipway_deployer.settings import DeployerSettings
from slipway_deployer.timing.agenda import Agenda
from slipway_deployer.timing.attendance import Attendance
from slipway_deployer.timing.targets import TargetWatch
from slipway_deployer.timing.wakeups import Wakeups

_CONCURRENCY = 8


async def deploy(service: Service[DeployerSettings]) -> None:
    """Deploy until the process is told to stop."""
    settings = service.settings
    gateways = Gateways(heartbeats=Heartbeats(connection=service.connection, bucket=GATEWAYS.name))
    attendance = Attendance(beats=Heartbeats(connection=service.connection, bucket=LEASES.name))
    ports = FixedPorts()
    deployments = Deployments(
        log=service.log,
        log_lines=EventLog(connection=service.connection, stream=LOG_LINES.name),
        engine=settings.make_engine(),
        secrets=Vault(
            service="deployer",
            key_file=settings.secret_key_file,
            secrets=Secrets(connection=service.connection),
        ),
        gateways=gateways.records,
        attendance=attendance,
        ports=ports,
    )
    wakeups = Wakeups(advance=deployments.advance, disown=deployments.disown)
    agenda = Agenda(
        log=service.log,
        wake=wakeups.wake,
        disown=wakeups.disown,
        ports=ports,
        meters=Meters(registry=service.metrics.registry),
    )
    targets = TargetWatch(
        log=service.log,
        leases=Leases(connection=service.connection, holder=settings.service_instance),
        target=settings.target,
        lost_after=settings.target_lost_after,
    )
    await handle_until(
        service.stopping,
        make_handlers(service, wakeups, agenda),
        attendance.run(),
        agenda.follow(),
        agenda.run(),
        gateways.follow(agenda.gateways_changed),
        targets.run(),
        probes=service.probes,
    )


def make_handlers(service: Service[DeployerSettings], wakeups: Wakeups, agenda: Agenda) -> LogBroker:
    """Return the broker whose messages wake deployments."""
    broker = make_broker(
        connection=service.connection,
        telemetry=service.telemetry,
        metrics=service.metrics,
        dead=DeadMessages(log=service.log).bury,
        grace=service.settings.stop_timeout.total_seconds() / 2,
    )
    handlers = subscribe(broker, DEPLOYER, concurrency=_CONCURRENCY)

    @handlers.on(
        Deploy,
        Redeploy,
        Start,
        Stop,
        Delete,
        Undelete,
        Purge,
        Configure,
        SetAlias,
        RemoveAlias,
        Pin,
        Cancel,
        BuildSucceeded,
        BuildFailed,
        BuildCanceled,
        ReplicaFact,
    )
    async def wake(message: DeploymentMessage, stored: Delivered) -> None:
        require_own(stored.subject, message.group, message.deployment)
        key = subjects.owner_of(stored.subject)
        # A replica that was stopped by hand comes back with the next wish: told before, and so told again.
        unready = isinstance(message, ReplicaFact) and message.state is ReplicaState.UNREADY
        if not await wakeups.wake(key, resync=unready):
            agenda.look_again(key)

    return broker


def main() -> None:
    """Run the deployer."""
    run_service("deployer", DeployerSettings, deploy)


if __name__ == "__main__":
    main()
