"""Records of a platform that knew no moves."""

from typing import Any

from deployment_world import World, live_world, make_deploy, make_version, shares
from slipway_contracts.desired import Desired
from slipway_contracts.events import OperationSucceeded
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaState
from slipway_deployer.desired.upgrading import upgraded


def forget_moves(world: World) -> None:
    """Keep of the record what an earlier platform wrote."""
    known: dict[str, Any] = world.record.model_dump(mode="json")
    for name in ("moves", "aliases", "pins", "parked", "kept_versions", "settings", "former_names"):
        del known[name]
    world.desired = upgraded(Desired.model_validate(known))


def test_a_release_on_its_way_goes_live() -> None:
    world = live_world()
    operation = world.send(make_deploy(make_version(2)))

    forget_moves(world)
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.apply_gateway()

    assert world.last(OperationSucceeded).operation == operation
    assert [(each.number, each.state) for each in world.record.releases] == [(2, ReleaseState.LIVE)]


def test_a_release_that_waits_for_the_gateways_goes_live_and_the_one_before_drains() -> None:
    world = live_world()
    operation = world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)

    forget_moves(world)
    move = world.record.moves[0]
    world.apply_gateway()
    world.apply_gateway()

    assert (move.shifted, move.before) == (True, shares({1: 100}))
    assert world.last(OperationSucceeded).operation == operation
    assert [(each.number, each.state) for each in world.record.releases] == [(2, ReleaseState.LIVE)]


def test_a_newer_deploy_supersedes_it() -> None:
    world = World()
    world.send(make_deploy())

    forget_moves(world)
    world.send(make_deploy(make_version(2)))

    assert [each.number for each in world.record.releases] == [2]
    assert world.names().count("operation.superseded") == 1


def test_a_record_with_moves_stays_as_it_is() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))

    assert upgraded(world.record) is world.record
