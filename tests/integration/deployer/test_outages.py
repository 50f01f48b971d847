"""A deployer that cannot reach NATS, as it starts or later, waits and goes on."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from deployer_stand import KEY, desired, events, send
from deployment_world import make_configure, make_deploy
from eventually import eventually
from servers import NatsServer
from silent_nats import Outage, at_work, outage, outlasts
from slipway_chassis.bucket import Bucket
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.leases import Leases
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.installation_events import TargetLost
from slipway_contracts.topology import LEASES
from slipway_deployer.main import deploy
from slipway_deployer.settings import DeployerSettings
from slipway_deployer.timing.targets import TargetWatch

OUTAGES: tuple[Outage, ...] = ("paused", "stopped")


@pytest.fixture
def settings(tmp_path: Path) -> DeployerSettings:
    """Settings of a deployer whose target never answers, and that says so at once."""
    return DeployerSettings(
        engine_dir=tmp_path / "engine",
        supervisor_socket=tmp_path / "no-socket",
        installation="test",
        blob_root=tmp_path,
        target_lost_after=timedelta(0),
    )


async def decided(log: EventLog) -> bool:
    """Say whether the newest command is decided."""
    command = await log.last(subjects.deployer_commands(*KEY))
    record = await log.last(subjects.desired(*KEY))
    assert command is not None
    return record is not None and (await desired(log)).position == command.sequence


async def tell_lost(log: EventLog) -> None:
    event = TargetLost(target="local", since=now())
    envelope = Envelope(id=new_id(), type=event.type, source="/slipway/deployer", subject="local", time=now())
    await log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))


async def told_lost(log: EventLog) -> bool:
    return "target.lost.v1" in await events(log)


@pytest.mark.parametrize("kind", OUTAGES)
async def test_a_deployer_that_starts_in_an_outage_works_when_it_is_over(
    log: EventLog, connection: Connection, fresh_nats: NatsServer, settings: DeployerSettings, kind: Outage
) -> None:
    await send(log, make_deploy())

    with outage(fresh_nats, kind) as end_outage:
        async with at_work(deploy, "deployer", settings, connection) as deployer:
            await outlasts(deployer)
            end_outage()

            await eventually(lambda: decided(log), timeout=30)
            await eventually(lambda: told_lost(log), timeout=30)
            assert not deployer.done()


async def test_a_deployer_works_on_after_an_outage(
    log: EventLog, connection: Connection, fresh_nats: NatsServer, settings: DeployerSettings
) -> None:
    async with at_work(deploy, "deployer", settings, connection) as deployer:
        await send(log, make_deploy())
        await eventually(lambda: decided(log), timeout=30)

        with outage(fresh_nats, "paused"):
            await outlasts(deployer)

        await send(log, make_configure(description="after the outage"))
        await eventually(lambda: decided(log), timeout=30)
        assert not deployer.done()


async def test_a_target_whose_lease_a_newer_release_wrote_is_watched(
    log: EventLog, connection: Connection
) -> None:
    await Bucket(connection=connection, name=LEASES.name).put("target.local", b'{"holders": ["one", "two"]}')
    await tell_lost(log)
    leases = Leases(connection=connection, holder="deployer")
    watch = TargetWatch(log=log, leases=leases, target="local", lost_after=timedelta(days=1))

    watching = asyncio.create_task(watch.run())

    async def found() -> bool:
        assert not watching.done()
        return "target.found.v1" in await events(log)

    await eventually(found)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
