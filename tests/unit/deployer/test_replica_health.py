from datetime import timedelta

import pytest
from deployment_world import World, live_world, make_deploy, make_redeploy, make_version
from slipway_contracts.events import DeploymentFailed, DeploymentRecovered, ReleaseFailed
from slipway_contracts.failure import Reason, Stage
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.release import Strategy
from slipway_contracts.replica import ReplicaState, SmokeResult
from slipway_contracts.version import SmokeTest
from slipway_deployer.desired.observed import HUNG_AFTER, Observed
from slipway_deployer.judging.rollout import WRONG_PORT_AFTER
from slipway_deployer.judging.timetable import next_look

PASSED = SmokeResult(passed=True, message="GET /digit gave 200.", seconds=0.1, status=200)
REFUSED = SmokeResult(passed=False, message="GET /digit gave 500, not 200.", seconds=0.1, status=500)


def crash(world: World, times: int) -> None:
    """Let the one replica of the first workload exit again and again."""
    for _ in range(times):
        each = world.record.workloads[0]
        attempt = each.workload.replica_ids[0]
        world.see(each.workload.id, attempt, ReplicaState.EXITED, exit_code=3, log_tail=("boom",))
        world.settle()
        while world.record.workloads[0].workload.replica_ids[0] == attempt:
            world.wait(1)


def only(world: World) -> tuple[str, str]:
    each = world.record.workloads[0]
    return each.workload.id, each.workload.replica_ids[0]


def test_five_crashes_in_a_row_are_told_with_the_last_exit_code_and_the_restarts_go_on() -> None:
    world = live_world()

    crash(world, 4)
    early = world.names()
    crash(world, 1)

    failed = world.last(DeploymentFailed)
    assert "deployment.failed" not in early
    assert (failed.failure.reason, failed.failure.exit_code) == (Reason.CRASH_LOOP, 3)
    assert failed.failure.log_tail == ("boom",)
    assert world.record.crash_loop == failed.failure
    assert only(world)[1] == "0-6"


def test_a_crash_loop_is_over_when_a_replica_stays_for_a_while() -> None:
    world = live_world()
    crash(world, 5)

    world.see(*only(world), ReplicaState.READY)
    world.settle()
    early = world.record.crash_loop
    world.wait(21)
    crash(world, 1)

    assert early is not None
    assert world.names().count("deployment.recovered") == 1
    assert world.names().count("deployment.failed") == 1
    assert world.record.crash_loop is None


def test_a_crash_loop_ends_with_the_release_that_takes_over() -> None:
    world = live_world()
    crash(world, 5)

    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    world.apply_gateway()
    world.settle()

    assert world.last(DeploymentRecovered).release == 2
    assert world.record.crash_loop is None


def test_one_of_two_replicas_that_crashes_on_and_on_is_no_crash_loop() -> None:
    world = live_world(replicas=2)

    crash(world, 7)

    assert world.record.crash_loop is None


def test_a_replica_that_was_ready_and_stops_answering_is_started_again() -> None:
    world = live_world()
    workload, replica = only(world)

    world.see(workload, replica, ReplicaState.UNREADY, detail="no answer")
    world.wait(29)
    early = only(world)[1]
    due = next_look(world.record, world.facts)
    world.wait(2)

    assert early == "0-1"
    assert due == world.facts[(workload, replica)].at + HUNG_AFTER
    assert only(world)[1] == "0-2"
    assert world.record.workloads[0].crashes == (1,)


def test_a_replica_that_still_loads_its_model_is_not_taken_for_hung() -> None:
    world = World()

    world.send(make_deploy(deadline_seconds=300))
    world.replicas(ReplicaState.UNREADY, detail="503")
    world.wait(200)

    assert [release.state for release in world.record.releases] == [ReleaseState.STARTING]
    assert only(world)[1] == "0-1"


def test_a_restarted_replica_that_never_becomes_ready_has_the_time_of_a_start() -> None:
    world = live_world(deadline_seconds=100)
    crash(world, 1)

    world.see(*only(world), ReplicaState.UNREADY, started_at=world.at, detail="503")
    world.wait(99)
    early = only(world)[1]
    world.wait(2)

    assert early == "0-2"
    assert only(world)[1] == "0-3"


def test_a_release_on_its_way_whose_replicas_hang_fails() -> None:
    world = World()
    world.send(make_deploy(replicas=2, deadline_seconds=300))
    workload = only(world)[0]

    for attempt in (1, 2, 3):
        world.see(workload, f"0-{attempt}", ReplicaState.READY)
        world.see(workload, f"0-{attempt}", ReplicaState.UNREADY, detail="no answer")
        world.wait(31)

    failure = world.last(ReleaseFailed).failure
    assert (failure.reason, failure.stage) == (Reason.REPLICA_HUNG, Stage.HEALTH)


def test_a_replica_that_listens_elsewhere_fails_its_release_long_before_the_deadline() -> None:
    world = World()

    world.send(make_deploy(deadline_seconds=300))
    world.replicas(ReplicaState.STARTED, listening=(8000,), address="127.0.0.1:41234")
    world.wait(9)
    early = world.names()
    due = next_look(world.record, world.facts)
    world.wait(2)

    assert "release.failed" not in early
    assert due == world.facts[only_fact(world)].at + WRONG_PORT_AFTER
    assert world.last(ReleaseFailed).failure.reason is Reason.WRONG_PORT


def only_fact(world: World) -> tuple[str, str]:
    return next(iter(world.facts))


def make_tested_world() -> World:
    world = World()
    world.send(make_deploy(make_version(smoke_test=SmokeTest(path="/digit")), deadline_seconds=30))
    return world


def test_traffic_waits_for_the_smoke_test() -> None:
    world = make_tested_world()

    world.replicas(ReplicaState.READY)
    untested = [release.state for release in world.record.releases]
    world.replicas(ReplicaState.READY, smoke=PASSED)

    assert untested == [ReleaseState.STARTING]
    assert [release.state for release in world.record.releases] == [ReleaseState.READY]
    assert world.record.traffic


def test_a_smoke_test_that_fails_fails_the_release_and_says_what_came() -> None:
    world = make_tested_world()

    world.replicas(ReplicaState.READY, smoke=REFUSED)

    failure = world.last(ReleaseFailed).failure
    assert (failure.reason, failure.stage) == (Reason.SMOKE_TEST_FAILED, Stage.SMOKE_TEST)
    assert "gave 500" in failure.message


def test_a_smoke_test_that_is_never_done_fails_at_the_deadline() -> None:
    world = make_tested_world()

    world.replicas(ReplicaState.READY)
    world.wait(31)

    assert world.last(ReleaseFailed).failure.reason is Reason.SMOKE_TEST_FAILED


def test_a_missing_secret_fails_the_release_that_needs_it_and_nothing_else() -> None:
    world = live_world()
    world.send(make_deploy(make_version(2)))
    new = world.record.workloads[-1].workload.id

    world.missing_secrets = {new: "group default has no secret token version 1"}
    world.settle()

    failure = world.last(ReleaseFailed).failure
    assert failure.reason is Reason.SECRET_MISSING
    assert "token version 1" in failure.message
    assert [release.number for release in world.record.releases] == [1]


def test_in_place_takes_the_old_replicas_first_and_brings_them_back_when_the_new_fail() -> None:
    world = live_world(replicas=2)
    old = world.record.workloads[0].workload.id

    world.send(make_redeploy(make_version(2), strategy=Strategy.IN_PLACE))
    during = [each.workload.id for each in world.record.workloads]
    removed = [each.id for each in world.record.removed]
    world.replicas(ReplicaState.BLOCKED, detail="no")
    back = world.record.workloads

    assert (old in during, removed) == (False, [old])
    assert [each.workload.id for each in back] == [old]
    assert back[0].workload.replica_ids == ("0-2", "1-2")
    assert world.record.live is not None


def test_in_place_leaves_what_another_alias_needs() -> None:
    world = live_world()
    world.send(make_deploy(make_version(1), alias="staging"))
    for _ in range(3):
        world.replicas(ReplicaState.READY)
        world.apply_gateway()
    old = world.record.workloads[0].workload.id

    world.send(make_redeploy(make_version(2), strategy=Strategy.IN_PLACE))

    assert old in [each.workload.id for each in world.record.workloads]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_restart_makes_new_replicas_of_the_same(strategy: Strategy) -> None:
    world = live_world()
    old = world.record.workloads[0].workload.id

    world.send(make_redeploy(make_version(), restart=1, strategy=strategy))
    for _ in range(3):
        world.replicas(ReplicaState.READY)
        world.apply_gateway()
    world.wait(timedelta(hours=1).total_seconds())

    assert [each.workload.image for each in world.record.workloads] == [make_version().endpoints[0].image]
    assert world.record.workloads[0].workload.id != old


def test_facts_of_an_earlier_life_say_nothing_of_a_replica_that_comes_back_in_a_judgement() -> None:
    world = live_world()
    each = world.record.workloads[0]
    nothing_wanted = world.record.model_copy(update={"workloads": ()})
    observed = Observed(deployment="default/digits", revision=1, replicas=world.facts)

    before = observed.judging(world.record)
    back = observed.judging(nothing_wanted)

    assert before.fact(each, 0) is not None
    assert back.fact(each, 0) is None
