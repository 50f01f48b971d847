"""What holds of a deployment when everything has answered and nothing is on its way."""

from deployment_target import Target
from deployment_world import World
from slipway_contracts.desired import Desired
from slipway_contracts.evolve import DeploymentFacts, charge, deployment_state
from slipway_contracts.lifecycle import DeploymentState, ReleaseState, Wanted
from slipway_contracts.quota import Charge, held
from slipway_deployer.judging.timetable import awaits_gateways, next_look


def check_rest(world: World, target: Target, facts: DeploymentFacts) -> None:
    """Check that the target runs what is named, that it is charged, and that nobody has to look again."""
    desired = world.record
    assert (desired.moves, desired.removed, desired.settling, desired.former_names) == ((), (), (), ())
    assert desired.ending is None
    assert desired.unloading is None
    assert desired.crash_loop is None
    assert desired.ended == (desired.wanted is not Wanted.RUNNING)
    assert not awaits_gateways(desired)
    assert next_look(desired, world.facts) is None
    _check_replicas(desired, target)
    _check_charge(desired, facts)
    _check_state(desired, facts)


def _check_replicas(desired: Desired, target: Target) -> None:
    running = desired.wanted is Wanted.RUNNING
    assert all(release.state is ReleaseState.LIVE for release in desired.releases)
    assert {release.number for release in desired.releases} == (
        desired.routed.union(desired.pins) if running else set()
    )
    needed: dict[str, int] = {}
    for release in desired.releases:
        for workload in release.workloads.values():
            needed[workload] = max(needed.get(workload, 0), release.config.replicas)
    for each in desired.workloads:
        want = 1 if each.workload.fixed_port else needed[each.workload.id]
        assert len(each.workload.slots) == each.serving == want
    assert {each.workload.id for each in desired.workloads} == needed.keys()
    wanted = {
        (each.workload.id, replica) for each in desired.workloads for replica in each.workload.replica_ids
    }
    assert target.running == wanted


def _check_charge(desired: Desired, facts: DeploymentFacts) -> None:
    total = Charge(deployments=1)
    for each in desired.workloads:
        size, count = each.workload.size, len(each.workload.slots)
        total = total.plus(
            Charge(replicas=count, cpu=size.cpu * count, memory_bytes=size.memory_bytes * count)
        )
    assert held(desired) == total
    gone = desired.wanted in {Wanted.DELETED, Wanted.PURGED}
    assert charge(facts) == (Charge() if gone else total)


def _check_state(desired: Desired, facts: DeploymentFacts) -> None:
    state = deployment_state(facts)
    match desired.wanted:
        case Wanted.STOPPED:
            assert state is DeploymentState.STOPPED
        case Wanted.DELETED:
            assert state is DeploymentState.DELETED
        case Wanted.PURGED:
            assert state is DeploymentState.PURGED
        case Wanted.RUNNING if desired.releases:
            assert state is DeploymentState.DEPLOYED, state
        case Wanted.RUNNING:
            assert state in {DeploymentState.NEW, DeploymentState.FAILED}, state
