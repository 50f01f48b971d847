"""A fixed port has one holder on a target: who serves there, or who came first."""

from datetime import timedelta

from deployment_world import START, World, live_world, make_deploy, make_redeploy, make_stop, make_version
from slipway_contracts.events import OperationFailed
from slipway_contracts.failure import Reason
from slipway_contracts.lifecycle import ReleaseState
from slipway_deployer.fixed_ports import Claim, FixedPorts, claims_of

PORT = ("local", 8000)


def make_claim(
    deployment: str, *, is_starting: bool = False, after: int = 0, group: str = "default"
) -> Claim:
    since = START + timedelta(seconds=after)
    return Claim(is_starting=is_starting, since=since, group=group, deployment=deployment)


def test_a_release_fails_at_once_for_a_port_of_another_deployment_and_names_it() -> None:
    world = World()
    world.ports = {PORT: make_claim("numbers")}

    operation = world.send(make_deploy(make_version(fixed_port=8000)))

    failed = world.last(OperationFailed)
    assert (failed.operation, failed.failure.reason) == (operation, Reason.PORT_TAKEN)
    assert "Port 8000 of target local belongs to deployment numbers" in failed.failure.message
    assert failed.failure.hint.endswith("slipway stop numbers")


def test_a_deployment_of_another_group_is_not_named() -> None:
    world = World()
    world.ports = {PORT: make_claim("numbers", group="secret")}

    world.send(make_deploy(make_version(fixed_port=8000)))

    failure = world.last(OperationFailed).failure
    assert "numbers" not in failure.message + failure.hint
    assert "secret" not in failure.message + failure.hint


def test_who_serves_at_a_port_keeps_it_and_of_two_that_start_the_first_gets_it() -> None:
    serving = live_world(make_version(fixed_port=8000))
    first = World()
    for world in (serving, first):
        world.ports = {PORT: make_claim("numbers", is_starting=True, after=1)}

    first.send(make_deploy(make_version(fixed_port=8000)))
    serving.settle()

    assert "release.failed" not in [*first.names(), *serving.names()]


def test_a_release_that_fails_for_a_port_leaves_what_serves() -> None:
    world = live_world()
    world.ports = {PORT: make_claim("numbers")}
    traffic = world.record.traffic

    world.send(make_redeploy(make_version(2, fixed_port=8000)))

    assert world.last(OperationFailed).failure.reason is Reason.PORT_TAKEN
    assert world.record.traffic == traffic
    assert [each.state for each in world.record.releases] == [ReleaseState.LIVE]


def test_ports_are_known_while_something_wants_them() -> None:
    world, ports = live_world(make_version(fixed_port=8000)), FixedPorts()
    ports.note(world.record, 1)
    while_it_runs = ports.held_by_others(("default", "other"), [PORT])
    its_own = ports.held_by_others(("default", "digits"), [PORT])

    world.send(make_stop())
    world.apply_gateway()
    ports.note(world.record, 2)

    assert {claim.deployment for claim in while_it_runs.values()} == {"digits"}
    assert its_own == {}
    assert claims_of(world.record) == {}
    assert ports.held_by_others(("default", "other"), [PORT]) == {}


def test_who_serves_at_a_port_keeps_it_while_its_next_release_starts_there() -> None:
    world = live_world(make_version(fixed_port=8000))
    before = claims_of(world.record)[PORT]

    world.send(make_redeploy(make_version(2, fixed_port=8000)))

    assert ReleaseState.STARTING in [each.state for each in world.record.releases]
    assert claims_of(world.record)[PORT] == before
    assert not before.is_starting


def test_what_drains_keeps_no_other_from_its_port() -> None:
    world = live_world(make_version(fixed_port=8000))
    world.send(make_stop())

    assert [each.state for each in world.record.releases] == [ReleaseState.DRAINING]
    assert world.record.workloads
    assert claims_of(world.record) == {}


def test_an_older_record_changes_nothing() -> None:
    world, ports = live_world(make_version(fixed_port=8000)), FixedPorts()
    older = world.record
    world.send(make_stop())

    assert ports.note(world.record, 2)
    assert not ports.note(older, 1)
    assert not ports.note(world.record, 2)

    assert ports.held_by_others(("default", "other"), [PORT]) == {}
