from deployment_world import (
    START,
    World,
    live_world,
    make_deploy,
    make_version,
)
from slipway_contracts.events import (
    BuildFailed,
    BuildSucceeded,
    OperationFailed,
    ReleaseFailed,
    ReleaseStarting,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_deployer.desired.observed import Refusal


def test_an_app_that_exits_at_once_fails_with_its_exit_code_and_leaves_traffic_alone() -> None:
    world = live_world()
    traffic = world.record.traffic

    operation = world.send(make_deploy(make_version(2)))
    new = world.record.workloads[-1].workload.id
    for attempt in (1, 2, 3):
        world.see(new, f"0-{attempt}", ReplicaState.EXITED, exit_code=3, log_tail=("boom",))
        world.wait(1)

    failed = world.last(OperationFailed)
    assert failed.operation == operation
    assert (failed.failure.reason, failed.failure.exit_code) == (Reason.REPLICA_EXITED, 3)
    assert failed.failure.log_tail == ("boom",)
    assert world.record.traffic == traffic
    assert new not in [each.workload.id for each in world.record.workloads]


def test_a_release_that_never_listens_fails_at_its_deadline() -> None:
    world = World()

    world.send(make_deploy(deadline_seconds=5))
    world.replicas(ReplicaState.STARTED)
    world.wait(4.9)
    early = world.names()
    world.wait(0.2)

    assert "release.failed" not in early
    assert world.last(ReleaseFailed).failure.reason is Reason.NEVER_LISTENED


def test_a_target_without_room_is_told_as_what_was_missing() -> None:
    world = World()

    world.send(make_deploy(deadline_seconds=5))
    workload = world.record.workloads[0].workload.id
    world.refused = {workload: Refusal("no port from 20000 to 29999 is free", no_room=True)}
    world.wait(5.1)

    failure = world.last(ReleaseFailed).failure
    assert (failure.stage, failure.reason) == (Stage.CAPACITY, Reason.CAPACITY_EXCEEDED)
    assert "no port from 20000" in failure.message


def test_a_release_that_listens_elsewhere_is_told_where() -> None:
    world = World()

    world.send(make_deploy(deadline_seconds=5))
    world.replicas(ReplicaState.STARTED, listening=(8000,), address="127.0.0.1:41234")
    world.wait(6)

    failure = world.last(ReleaseFailed).failure
    assert failure.reason is Reason.WRONG_PORT
    assert "8000" in failure.message
    assert "41234" in failure.message


def test_a_blocked_replica_fails_the_release_at_once() -> None:
    world = World()

    world.send(make_deploy())
    world.replicas(ReplicaState.BLOCKED, detail="no such layer")

    assert world.last(ReleaseFailed).failure.reason is Reason.IMAGE_UNUSABLE


def test_a_serving_replica_that_dies_is_started_again_with_growing_pauses() -> None:
    world = live_world()
    workload = world.record.workloads[0].workload.id

    pauses = []
    for attempt in range(1, 7):
        world.see(workload, f"0-{attempt}", ReplicaState.EXITED, signal="SIGKILL")
        waited = 0.0
        while world.record.workloads[0].workload.slots == (attempt,):
            world.wait(0.1)
            waited += 0.1
        pauses.append(round(waited, 1))

    assert pauses == sorted(pauses)
    assert pauses[0] < 0.5
    assert pauses[-1] > 3
    assert "release.failed" not in world.names()


def test_a_deploy_waits_for_its_build() -> None:
    world = World()
    version = make_version()

    world.send(make_deploy(build=version.build))
    waiting = world.record.workloads
    world.send(
        BuildSucceeded(group="default", deployment="digits", build=version.build, version=version, seconds=1)
    )

    assert waiting == ()
    assert world.last(ReleaseStarting).version == version


def test_a_failed_build_fails_its_deploy_with_the_same_failure() -> None:
    world = World()
    build = derived_id("build", 1)
    failure = FailureRecord(
        stage=Stage.BUILD, reason=Reason.MANIFEST_MISSING, message="none", hint="add one", at=START
    )

    operation = world.send(make_deploy(build=build))
    world.send(BuildFailed(group="default", deployment="digits", build=build, failure=failure))

    failed = world.last(OperationFailed)
    assert (failed.operation, failed.failure) == (operation, failure)
    assert world.record.failed


def test_a_shift_that_no_gateway_confirms_fails_at_its_deadline_and_gives_the_traffic_back() -> None:
    world = live_world()
    traffic = world.record.traffic

    world.send(make_deploy(make_version(2), deadline_seconds=10))
    world.replicas(ReplicaState.READY)
    world.wait(11)

    assert world.last(OperationFailed).failure.reason is Reason.TRAFFIC_NOT_ROUTED
    assert world.record.traffic == traffic
    assert len(world.record.workloads) == 2


def test_a_release_that_waits_for_its_build_ends_at_last() -> None:
    world = World()

    world.send(make_deploy(build=derived_id("build", 1)))
    world.wait(3 * 3600)

    assert world.last(OperationFailed).failure.reason is Reason.DEADLINE_EXCEEDED
