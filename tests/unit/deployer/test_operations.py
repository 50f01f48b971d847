"""Operations of several moves: what succeeds has its whole effect, and each ends once."""

from deployment_world import (
    World,
    live_world,
    make_cancel,
    make_deploy,
    make_pin,
    make_restored,
    make_set_alias,
    make_start,
    make_stop,
    make_version,
)
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
    OperationSuperseded,
)
from slipway_contracts.replica import ReplicaState

ENDS = (OperationSucceeded, OperationFailed, OperationSuperseded, OperationCanceled)


def started_again() -> tuple[World, str]:
    """A deployment with two aliases that was stopped and is started, before its replicas are seen."""
    world = live_world()
    world.send(make_deploy(make_version(2), alias="staging"))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.send(make_stop())
    for _ in range(3):
        world.apply_gateway()
        world.gone()
    world.told.clear()
    start = make_start(make_version(3), {"staging": {2: 100}}, (make_restored(2, make_version(2)),))
    return world, world.send(start)


def ready(world: World, release: int) -> None:
    known = world.record.release(release)
    assert known is not None
    each = world.record.workload(known.workloads["predict"])
    assert each is not None
    for replica in each.workload.replica_ids:
        world.see(each.workload.id, replica, ReplicaState.READY)
    world.settle()


def ends(world: World, operation: str) -> list[str]:
    return [
        each.type.removesuffix(".v1")
        for each in world.told
        if isinstance(each, ENDS) and each.operation == operation
    ]


def test_a_start_whose_release_is_canceled_does_not_succeed_by_its_other_alias() -> None:
    world, operation = started_again()
    ready(world, 2)

    world.send(make_cancel())
    world.apply_gateway()

    assert ends(world, operation) == ["operation.canceled"]
    assert [route.alias for route in world.record.routes] == ["staging"]


def test_a_start_whose_release_is_superseded_does_not_succeed_by_its_other_alias() -> None:
    world, operation = started_again()
    ready(world, 2)

    newer = world.send(make_deploy(make_version(4)))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.apply_gateway()

    assert ends(world, operation) == ["operation.superseded"]
    assert ends(world, newer) == ["operation.succeeded"]
    assert [route.alias for route in world.record.routes] == ["live", "staging"]


def test_a_start_that_is_canceled_while_all_its_aliases_shift_is_canceled_once() -> None:
    world, operation = started_again()
    ready(world, 2)
    ready(world, 3)

    world.send(make_cancel())
    world.apply_gateway()

    assert ends(world, operation) == ["operation.canceled"]
    assert world.record.moves == ()
    assert world.record.routes == ()


def test_a_release_that_takes_a_port_over_is_pinned_only_once_it_has() -> None:
    world = live_world(make_version(1, fixed_port=8000))
    world.send(make_deploy(make_version(2, fixed_port=8000)))

    early = world.send(make_pin(2))
    world.send(make_set_alias("live", {1: 100}))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()

    assert ends(world, early) == ["operation.failed"]
    assert world.record.pins == ()
    assert [each.workload.image for each in world.record.workloads] == [make_version(1).endpoints[0].image]


def test_a_release_that_no_longer_replaces_the_holder_of_its_port_gives_it_back() -> None:
    world = live_world(make_version(1, fixed_port=8000))
    world.send(make_deploy(make_version(2, fixed_port=8000)))
    other = world.send(make_set_alias("staging", {2: 100}))

    world.send(make_set_alias("live", {1: 100}))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()

    assert ends(world, other) == ["operation.failed"]
    assert [each.workload.image for each in world.record.workloads] == [make_version(1).endpoints[0].image]
