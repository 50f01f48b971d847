from datetime import timedelta

from deployment_world import (
    World,
    live_world,
    make_cancel,
    make_delete,
    make_deploy,
    make_redeploy,
    make_stop,
    make_version,
)
from slipway_contracts.commands import CancelBuild
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
    OperationSuperseded,
)
from slipway_contracts.failure import Reason
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState


def test_a_deploy_goes_live_only_after_replicas_and_gateways_said_so() -> None:
    world = World()

    world.send(make_deploy())
    started = world.names()
    world.replicas(ReplicaState.READY)
    shifted = world.names()
    world.apply_gateway()

    assert started == ["deployment.created", "operation.started", "release.created", "release.starting"]
    assert shifted[4:] == ["release.ready", "traffic.shifted"]
    assert world.names()[6:] == ["release.live", "operation.succeeded"]
    assert world.record.live is not None


def test_a_message_decided_before_changes_nothing() -> None:
    world = live_world()
    before, world.sequence = world.record, world.record.position - 1

    world.send(make_deploy(make_version(2)))

    assert world.record == before
    assert world.told == []


def test_the_old_release_keeps_its_replicas_until_its_last_answer() -> None:
    world = live_world()
    old = world.record.workloads[0].workload.id

    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.apply_gateway(active=0)
    world.apply_gateway(active=3)
    busy = [each.workload.id for each in world.record.workloads]
    world.apply_gateway(active=0)

    assert old in busy
    assert old not in [each.workload.id for each in world.record.workloads]
    assert [each.id for each in world.record.removed] == [old]
    assert world.names()[-1] == "release.retired"


def test_a_stale_gateway_record_retires_nothing() -> None:
    world = live_world()

    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)

    assert "release.live" not in world.names()
    assert world.record.shifting
    assert world.record.live is not None


def test_a_redeploy_without_change_shares_the_running_replicas() -> None:
    world = live_world()
    before = world.record.workloads

    world.send(make_redeploy(make_version()))
    world.apply_gateway()
    world.apply_gateway()

    assert [each.workload.replica_ids for each in world.record.workloads] == [
        each.workload.replica_ids for each in before
    ]
    assert world.record.live is not None
    assert world.record.live.number == 2
    assert len(world.record.releases) == 1


def test_scaling_down_waits_for_the_answers_of_the_surplus_replica() -> None:
    world = live_world(replicas=2)

    world.send(make_redeploy(make_version(), replicas=1))
    world.apply_gateway()
    assert world.record.workloads[0].serving == 1
    world.apply_gateway(active=1)
    while_busy = world.record.workloads[0].workload.slots
    world.apply_gateway(active=0)

    assert while_busy == (1, 1)
    assert world.record.workloads[0].workload.slots == (1,)


def test_scaling_up_keeps_the_replicas_that_run() -> None:
    world = live_world()

    world.send(make_redeploy(make_version(), replicas=3))

    assert world.record.workloads[0].workload.slots == (1, 1, 1)
    assert [each.state for each in world.record.unfinished] == [ReleaseState.STARTING]


def test_a_newer_deploy_supersedes_the_unfinished_one() -> None:
    world = World()

    first = world.send(make_deploy())
    second = world.send(make_deploy(make_version(2)))

    superseded = world.last(OperationSuperseded)
    assert (superseded.operation, superseded.by_operation) == (first, second)
    assert [release.number for release in world.record.releases] == [2]
    assert len(world.record.workloads) == 1


def test_stop_drains_removes_and_then_ends() -> None:
    world = live_world()

    operation = world.send(make_stop())
    drained_first = [release.state for release in world.record.releases]
    world.apply_gateway(active=2)
    still_there = len(world.record.workloads)
    world.apply_gateway(active=0)
    assert not world.record.ended
    world.gone()

    assert drained_first == [ReleaseState.DRAINING]
    assert still_there == 1
    assert world.record.ended
    assert world.last(OperationSucceeded).operation == operation


def test_stop_supersedes_a_deploy_on_its_way_and_both_end() -> None:
    world = World()

    deploy = world.send(make_deploy())
    stop = world.send(make_stop())
    world.replicas(ReplicaState.READY)
    world.gone()
    world.wait(30)

    assert world.last(OperationSuperseded).operation == deploy
    assert world.last(OperationSucceeded).operation == stop
    assert world.record.wanted is Wanted.STOPPED
    assert world.record.ended


def test_deploy_supersedes_a_stop_on_its_way() -> None:
    world = live_world()

    stop = world.send(make_stop())
    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.apply_gateway()
    world.gone()

    assert world.last(OperationSuperseded).operation == stop
    assert world.record.live is not None
    assert not world.record.ended


def test_delete_ends_a_stopped_deployment() -> None:
    world = live_world()
    world.send(make_stop())
    world.apply_gateway()
    world.gone()

    operation = world.send(make_delete())

    assert world.record.wanted is Wanted.DELETED
    assert world.record.ended
    assert world.last(OperationSucceeded).operation == operation


def test_cancel_ends_the_rollout_and_its_build_and_leaves_what_served() -> None:
    world = live_world()
    build = derived_id("build", 2)

    deploy = world.send(make_deploy(build=build))
    cancel = world.send(make_cancel())

    assert world.last(CancelBuild).build == build
    assert world.last(OperationSucceeded).operation == cancel
    assert world.last(OperationCanceled).operation == deploy
    assert world.record.live is not None
    assert not world.record.unfinished


def test_cancel_of_nothing_fails_and_says_so() -> None:
    world = live_world()

    world.send(make_cancel())

    assert world.last(OperationFailed).failure.reason is Reason.NOTHING_TO_CANCEL


def test_a_fixed_port_is_handed_over_in_place_and_comes_back_when_the_successor_fails() -> None:
    world = live_world(make_version(fixed_port=8000))
    old = world.record.workloads[0].workload.id

    world.send(make_deploy(make_version(2, fixed_port=8000)))
    during = [each.workload.id for each in world.record.workloads]
    world.replicas(ReplicaState.BLOCKED, detail="no")
    after = [each.workload.id for each in world.record.workloads]

    assert old not in during
    assert after == [old]


def test_a_fixed_port_gets_one_replica() -> None:
    world = World()

    world.send(make_deploy(make_version(fixed_port=8000), replicas=3))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()

    assert world.record.workloads[0].workload.slots == (1,)
    assert world.record.live is not None


def test_a_release_that_shifts_can_be_canceled() -> None:
    world = live_world()
    traffic = world.record.traffic

    deploy = world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.send(make_cancel())
    world.apply_gateway()
    world.apply_gateway()

    assert world.last(OperationCanceled).operation == deploy
    assert world.record.traffic == traffic
    assert len(world.record.workloads) == 1


def test_traffic_does_not_move_to_a_release_that_is_ready_no_more() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.send(make_deploy(make_version(3)))
    world.replicas(ReplicaState.READY)
    third = world.record.workloads[-1].workload.id
    world.see(third, "0-1", ReplicaState.UNREADY)

    world.apply_gateway()

    assert world.record.live is not None
    assert world.record.live.number == 2
    assert [share.release for share in world.record.traffic] == [2]


def test_a_deploy_that_waited_in_the_log_has_all_its_time_before_it() -> None:
    world = World()
    world.at += timedelta(hours=1)

    world.send(make_deploy(deadline_seconds=5))

    assert [each.deadline_at for each in world.record.unfinished] == [world.at + timedelta(seconds=5)]


def test_canceling_beside_a_shift_of_a_fixed_port_leaves_it_its_workload() -> None:
    world = World()
    world.send(make_deploy(make_version(fixed_port=8000)))
    world.replicas(ReplicaState.READY)

    world.send(make_deploy(make_version(2, fixed_port=8000)))
    world.send(make_cancel())
    world.apply_gateway()

    assert world.record.live is not None
    assert set(world.record.live.workloads.values()) == {each.workload.id for each in world.record.workloads}
