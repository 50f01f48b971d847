"""Which labels of a deployment are taken, read from the log."""

from deployment_world import make_version
from slipway_builder.journal.labels import Labels
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildSucceeded

KEY = ("default", "digits")
BUILDS = 60


async def build(log: EventLog, number: int) -> None:
    version = make_version(number)
    event = BuildSucceeded(
        group="default", deployment="digits", build=version.build, version=version, seconds=1
    )
    envelope = Envelope(
        id=new_id(), type=event.type, source="/slipway/builder", subject="default/digits", time=now()
    )
    await log.publish(Outgoing(subject=subjects.of(event), message=event, envelope=envelope))


async def test_labels_and_endpoints_of_all_versions_are_taken_as_soon_as_the_log_has_them(
    log: EventLog,
) -> None:
    labels = Labels(log=log)
    none = await labels.taken(*KEY)
    await build(log, 1)
    one = await labels.taken(*KEY)
    await build(log, 2)

    assert none == frozenset()
    assert one == {"20260101.1", "predict"}
    assert await labels.taken(*KEY) == {"20260101.1", "20260101.2", "predict"}


async def test_a_long_past_is_not_asked_for_version_by_version(log: EventLog, connection: Connection) -> None:
    for number in range(BUILDS):
        await build(log, number)
    before = connection.nc.stats["out_msgs"]

    taken = await Labels(log=log).taken(*KEY)

    assert len(taken) == BUILDS + 1
    assert connection.nc.stats["out_msgs"] - before < BUILDS / 4


async def test_of_a_log_that_was_replaced_nothing_is_remembered(
    log: EventLog, connection: Connection
) -> None:
    labels = Labels(log=log)
    await build(log, 1)
    await labels.taken(*KEY)
    await call(connection, "STREAM.DELETE.SLIPWAY", {}, within=5)
    await provision(connection)

    assert await labels.taken(*KEY) == frozenset()
