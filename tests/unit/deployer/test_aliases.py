from deployment_world import (
    World,
    live_world,
    make_cancel,
    make_deploy,
    make_pin,
    make_remove_alias,
    make_restored,
    make_set_alias,
    make_start,
    make_stop,
    make_version,
    shares,
)
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
    ReleasePinned,
)
from slipway_contracts.failure import Reason
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaState


def two_live() -> World:
    """Release 1 behind `live`, release 2 behind `staging`."""
    world = live_world()
    world.send(make_deploy(make_version(2), alias="staging"))
    world.go_well()
    world.told.clear()
    return world


def states(world: World) -> dict[int, ReleaseState]:
    return {release.number: release.state for release in world.record.releases}


def test_a_deploy_to_another_alias_leaves_live_alone() -> None:
    world = live_world()

    world.send(make_deploy(make_version(2), alias="staging"))
    world.go_well()

    assert world.last(ReleaseCreated).alias == "staging"
    assert states(world) == {1: ReleaseState.LIVE, 2: ReleaseState.LIVE}
    assert world.record.shares_of("live") == shares({1: 100})
    assert world.record.shares_of("staging") == shares({2: 100})


def test_commands_of_two_aliases_do_not_supersede_each_other() -> None:
    world = live_world()

    first = world.send(make_deploy(make_version(2), alias="staging"))
    second = world.send(make_deploy(make_version(3)))
    world.go_well()

    succeeded = {each.operation for each in world.told if isinstance(each, OperationSucceeded)}
    assert succeeded == {first, second}


def test_an_alias_moves_at_once_to_a_release_that_runs() -> None:
    world = two_live()
    workloads = world.record.workloads

    operation = world.send(make_set_alias("live", {2: 100}))
    at_once = world.record.traffic
    world.go_well()

    assert at_once == shares({2: 100})
    assert world.last(OperationSucceeded).operation == operation
    assert states(world) == {2: ReleaseState.LIVE}
    assert [each.workload.id for each in world.record.workloads] == [workloads[1].workload.id]


def test_an_alias_starts_a_retired_release_under_its_number_and_moves_when_that_is_ready() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))
    world.go_well()

    world.send(make_set_alias("live", {1: 100}, make_restored(1, make_version())))
    before = world.record.traffic
    world.go_well()

    assert before == shares({2: 100})
    assert states(world) == {1: ReleaseState.LIVE}
    assert world.record.next_release == 3


def test_a_retired_release_that_fails_again_is_retired_again() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))
    world.go_well()

    operation = world.send(make_set_alias("live", {1: 100}, make_restored(1, make_version())))
    workload = world.record.workloads[-1].workload.id
    world.see(workload, world.record.workloads[-1].workload.replica_ids[0], ReplicaState.BLOCKED, detail="no")
    world.settle()

    assert world.last(OperationFailed).operation == operation
    assert world.names()[-3:-1] == ["release.starting", "release.retired"]
    assert world.record.traffic == shares({2: 100})


def test_a_deploy_beside_another_release_shares_the_alias_by_weight() -> None:
    world = live_world()

    world.send(make_deploy(make_version(2), weight=10, beside={1: 90}))
    world.go_well()

    assert world.record.traffic == shares({2: 10, 1: 90})
    assert states(world) == {1: ReleaseState.LIVE, 2: ReleaseState.LIVE}
    assert [release.number for release in world.record.serving()] == [1, 2]


def test_a_draining_release_that_an_alias_names_goes_back_to_serving() -> None:
    world = live_world(replicas=2)
    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    draining = states(world)[1]

    world.send(make_set_alias("staging", {1: 100}))
    world.go_well()
    world.wait(1000)

    assert draining is ReleaseState.DRAINING
    assert states(world) == {1: ReleaseState.LIVE, 2: ReleaseState.LIVE}


def test_an_alias_that_is_removed_lets_its_release_drain() -> None:
    world = two_live()

    operation = world.send(make_remove_alias("staging"))
    world.go_well()

    assert world.last(OperationSucceeded).operation == operation
    assert states(world) == {1: ReleaseState.LIVE}
    assert world.record.aliases == ()


def test_a_release_that_nobody_knows_is_refused_and_changes_nothing() -> None:
    world = live_world()

    world.send(make_set_alias("staging", {7: 100}))

    assert world.last(OperationFailed).failure.reason is Reason.RELEASE_UNKNOWN
    assert world.record.moves == ()


def test_an_alias_of_a_stopped_deployment_is_refused() -> None:
    world = live_world()
    world.send(make_stop())

    world.send(make_set_alias("staging", {1: 100}, make_restored(1, make_version())))

    assert world.last(OperationFailed).failure.reason is Reason.DEPLOYMENT_STOPPED


def test_a_newer_move_of_an_alias_supersedes_what_waits_and_keeps_what_both_name() -> None:
    world = live_world()

    first = world.send(make_deploy(make_version(2)))
    second = world.send(make_set_alias("live", {1: 50, 2: 50}))
    world.go_well()

    assert world.last(OperationSuperseded).operation == first
    assert world.last(OperationSucceeded).operation == second
    assert world.record.traffic == shares({1: 50, 2: 50})


def test_a_failed_release_fails_every_move_that_needs_it_and_no_other() -> None:
    world = live_world()
    deploy = world.send(make_deploy(make_version(2)))
    alias = world.send(make_set_alias("staging", {2: 100}))
    other = world.send(make_deploy(make_version(3), alias="production"))

    broken = world.record.release(2)
    assert broken is not None
    world.see(broken.workloads["predict"], "0-1", ReplicaState.BLOCKED, detail="no")
    world.settle()

    assert {each.operation for each in world.told if isinstance(each, OperationFailed)} == {deploy, alias}
    assert [move.operation for move in world.record.moves] == [other]


def test_cancel_ends_the_moves_of_all_aliases() -> None:
    world = live_world()
    first = world.send(make_deploy(make_version(2)))
    second = world.send(make_deploy(make_version(3), alias="staging"))

    world.send(make_cancel())

    canceled = {each.operation for each in world.told if isinstance(each, OperationCanceled)}
    assert canceled == {first, second}
    assert states(world) == {1: ReleaseState.LIVE}


def test_a_pinned_release_runs_on_although_no_alias_names_it() -> None:
    world = live_world()

    world.send(make_pin(1))
    world.send(make_deploy(make_version(2)))
    world.go_well()
    pinned = states(world)
    world.send(make_pin(1, pinned=False))
    world.go_well()

    assert pinned == {1: ReleaseState.LIVE, 2: ReleaseState.LIVE}
    assert states(world) == {2: ReleaseState.LIVE}
    assert not world.last(ReleasePinned).pinned


def test_a_pin_of_a_release_that_does_not_run_ends_when_it_does() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))
    world.go_well()

    operation = world.send(make_pin(1, make_restored(1, make_version())))
    early = world.last(OperationSucceeded).operation
    world.go_well()

    assert early != operation
    assert world.last(OperationSucceeded).operation == operation
    assert states(world) == {1: ReleaseState.LIVE, 2: ReleaseState.LIVE}


def test_a_stop_parks_the_aliases_and_a_start_brings_all_of_them_back() -> None:
    world = two_live()
    world.send(make_stop())
    for _ in range(3):
        world.apply_gateway()
        world.gone()
    parked = {route.alias: route.shares for route in world.record.parked}
    routes = world.record.routes

    operation = world.send(
        make_start(make_version(), {"staging": {2: 100}}, (make_restored(2, make_version(2)),))
    )
    world.go_well()

    assert parked == {"live": shares({1: 100}), "staging": shares({2: 100})}
    assert routes == ()
    assert world.last(OperationSucceeded).operation == operation
    assert world.record.shares_of("live") == shares({3: 100})
    assert world.record.shares_of("staging") == shares({2: 100})


def test_a_start_of_which_one_alias_fails_ends_once_and_brings_the_others_back() -> None:
    world = two_live()
    world.send(make_stop())
    for _ in range(3):
        world.apply_gateway()
        world.gone()
    world.told.clear()

    operation = world.send(
        make_start(make_version(), {"staging": {2: 100}}, (make_restored(2, make_version(2)),))
    )
    second = world.record.release(2)
    assert second is not None
    workload = world.record.workload(second.workloads["predict"])
    assert workload is not None
    world.see(workload.workload.id, workload.workload.replica_ids[0], ReplicaState.BLOCKED, detail="no")
    world.settle()
    world.go_well()

    ends = [each for each in world.told if getattr(each, "operation", "") == operation]
    assert [each.type for each in ends if "started" not in each.type and "created" not in each.type] == [
        "operation.failed.v1"
    ]
    assert [route.alias for route in world.record.routes] == ["live"]


def test_two_releases_that_insist_on_one_port_cannot_stay_beside_each_other() -> None:
    world = live_world(make_version(fixed_port=8000))
    old = world.record.workloads

    world.send(make_deploy(make_version(2, fixed_port=8000), alias="staging"))

    assert world.last(OperationFailed).failure.reason is Reason.PORT_TAKEN
    assert world.record.workloads == old


def test_an_operation_whose_aliases_are_all_given_back_fails_once() -> None:
    world = two_live()
    world.send(make_stop())
    for _ in range(3):
        world.apply_gateway()
        world.gone()
    world.told.clear()

    world.send(make_start(make_version(), {"staging": {2: 100}}, (make_restored(2, make_version(2)),)))
    world.replicas(ReplicaState.READY)
    world.wait(1000)

    assert world.names().count("traffic.shifted") == 4
    assert world.names().count("operation.failed") == 1
