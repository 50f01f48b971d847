from datetime import timedelta

import pytest
from deployment_world import START, World, live_world, make_deploy, make_stop, make_version
from slipway_contracts.codec import AnyMessage
from slipway_contracts.evolve import DeploymentFacts, deployment_state, evolve, replica_counts
from slipway_contracts.lifecycle import DeploymentState
from slipway_contracts.replica import ReplicaState

S = DeploymentState


def fold(world: World) -> DeploymentFacts:
    """Fold what the log of this world says now: its record, and the facts of its replicas."""
    facts = DeploymentFacts.empty("default", "digits")
    messages: list[AnyMessage] = [world.record, *world.facts.values()]
    for sequence, message in enumerate(messages, start=1):
        facts = evolve(facts, message, sequence=sequence, at=START)
    return facts


def test_a_deployment_without_messages_is_new() -> None:
    assert deployment_state(DeploymentFacts.empty("default", "digits")) is S.NEW


def test_a_command_that_nobody_decided_yet_is_deploying() -> None:
    facts = DeploymentFacts.empty("default", "digits")

    facts = evolve(facts, make_deploy(), sequence=1, at=START)

    assert deployment_state(facts) is S.DEPLOYING


def test_a_live_release_with_all_replicas_is_deployed() -> None:
    world = live_world(replicas=2)

    assert deployment_state(fold(world)) is S.DEPLOYED
    assert replica_counts(fold(world)) == (2, 2)


def test_replicas_are_counted_of_a_release_that_does_not_serve_yet() -> None:
    world = World()
    world.send(make_deploy(make_version(1), replicas=2))
    workload = world.record.workloads[0].workload
    world.see(workload.id, workload.replica_ids[0], ReplicaState.READY)

    assert replica_counts(fold(world)) == (0, 0)
    assert replica_counts(fold(world), release=1) == (1, 2)
    assert replica_counts(fold(world), release=2) == (0, 0)


@pytest.mark.parametrize(("dead", "state"), [(1, S.DEGRADED), (2, S.UNAVAILABLE)])
def test_deployed_is_withdrawn_when_replicas_die(dead: int, state: DeploymentState) -> None:
    world = live_world(replicas=2)
    workload = world.record.workloads[0].workload

    for replica in workload.replica_ids[:dead]:
        world.see(workload.id, replica, ReplicaState.EXITED)

    assert deployment_state(fold(world)) is state


def test_a_lost_target_makes_it_unknown() -> None:
    facts = fold(live_world()).model_copy(update={"target_lost": True})

    assert deployment_state(facts) is S.UNKNOWN


def test_a_rollout_beside_a_live_release_is_deploying() -> None:
    world = live_world()

    world.send(make_deploy(make_version(2)))

    assert deployment_state(fold(world)) is S.DEPLOYING


def test_a_stop_is_stopping_until_nothing_is_left() -> None:
    world = live_world()
    world.send(make_stop())
    facts = evolve(fold(world), make_stop(), sequence=1000, at=START)
    assert deployment_state(facts) is S.STOPPING

    world.apply_gateway()
    world.gone()
    record = world.record.model_copy(update={"position": 1000})
    facts = evolve(facts, record, sequence=1001, at=START + timedelta(seconds=1))

    assert deployment_state(facts) is S.STOPPED


def test_a_command_that_was_refused_changes_nothing_of_what_is_wanted() -> None:
    world = live_world()
    world.send(make_stop())
    world.apply_gateway()
    world.gone()
    refused = make_deploy(weight=50, beside={1000: 50})
    facts = evolve(fold(world), refused, sequence=1000, at=START)
    world.sequence = 999

    world.send(refused)
    facts = evolve(facts, world.record, sequence=1001, at=START)

    assert deployment_state(facts) is S.STOPPED


def test_a_message_folded_before_changes_nothing() -> None:
    facts = fold(live_world())

    again = evolve(facts, make_stop(), sequence=facts.sequence, at=START)

    assert again == facts


def test_a_late_fact_of_an_earlier_monitor_changes_nothing() -> None:
    world = live_world()
    workload = world.record.workloads[0].workload
    facts = fold(world)
    late = world.facts[(workload.id, "0-1")].model_copy(
        update={"epoch": 0, "transition": 99, "state": ReplicaState.EXITED}
    )

    facts = evolve(facts, late, sequence=facts.sequence + 1, at=START)

    assert deployment_state(facts) is S.DEPLOYED
