from datetime import timedelta

from deployment_world import (
    START,
    World,
    live_world,
    make_configure,
    make_delete,
    make_deploy,
    make_purge,
    make_redeploy,
    make_stop,
    make_undelete,
    make_version,
)
from slipway_contracts.commands import RemoveVersions
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.events import (
    DeploymentConfigured,
    DeploymentEnded,
    DeploymentRestored,
    OperationFailed,
    OperationSucceeded,
)
from slipway_contracts.failure import Reason
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaState


def end(world: World) -> None:
    """Let everything drain and go."""
    for _ in range(3):
        world.apply_gateway()
        world.gone()


def removals(world: World) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (each.cause, tuple(version.label for version in each.versions))
        for each in world.told
        if isinstance(each, RemoveVersions)
    ]


def test_a_deleted_deployment_comes_back_stopped() -> None:
    world = live_world()
    world.send(make_delete())
    end(world)

    operation = world.send(make_undelete())

    assert (world.record.wanted, world.record.ended) == (Wanted.STOPPED, True)
    assert world.last(OperationSucceeded).operation == operation
    assert "deployment.restored" in world.names()
    assert [route.alias for route in world.record.parked] == ["live"]


def test_an_undelete_of_a_delete_under_way_goes_on_as_a_stop() -> None:
    world = live_world()
    world.send(make_delete())

    operation = world.send(make_undelete())
    early = world.names().count("operation.succeeded")
    end(world)

    assert early == 0
    assert world.last(DeploymentEnded).wanted is Wanted.STOPPED
    assert world.last(OperationSucceeded).operation == operation
    assert world.last(DeploymentRestored).by == "ada"


def test_a_delete_that_unloads_removes_the_images_when_nothing_runs_any_more() -> None:
    world = live_world()

    world.send(make_delete(make_version()))
    early = removals(world)
    end(world)

    assert early == []
    assert removals(world) == [("unload", ("20260101.1",))]
    assert world.record.kept_versions == ()


def test_an_unload_that_a_deploy_overtakes_removes_nothing() -> None:
    world = live_world()

    world.send(make_delete(make_version()))
    world.send(make_deploy())
    world.replicas(ReplicaState.READY)
    end(world)

    assert removals(world) == []
    assert world.record.unloading is None


def test_a_purge_keeps_only_the_number_of_the_next_release() -> None:
    world = live_world()
    world.send(make_configure(name="numbers"))
    world.send(make_purge(make_version()))
    end(world)

    record = world.record

    assert removals(world) == [("purge", ("20260101.1",))]
    assert (record.wanted, record.ended, record.next_release) == (Wanted.PURGED, True, 2)
    assert (record.settings, record.former_names, record.parked) == (DeploymentSettings(), (), ())


def test_a_purged_deployment_is_not_undeleted() -> None:
    world = live_world()
    world.send(make_purge())
    end(world)

    world.send(make_undelete())

    assert world.last(OperationFailed).failure.reason is Reason.RELEASE_NOT_RESTORABLE
    assert world.record.wanted is Wanted.PURGED


def test_releases_and_attempts_of_an_id_that_is_created_again_go_on() -> None:
    world = live_world()
    world.send(make_purge())
    end(world)
    world.told.clear()

    world.send(make_deploy(settings=DeploymentSettings(name="figures")))

    assert world.names()[:2] == ["deployment.created", "deployment.configured"]
    assert [release.number for release in world.record.releases] == [2]
    assert world.record.workloads[0].workload.replica_ids == ("0-2",)
    assert world.record.name == "figures"


def test_a_deleted_deployment_that_is_created_again_begins_with_its_own_settings() -> None:
    world = World()
    world.send(make_deploy(settings=DeploymentSettings(name="numbers")))
    world.send(make_delete())
    end(world)

    world.send(make_deploy(settings=DeploymentSettings(name="figures")))

    assert world.record.name == "figures"
    assert world.record.former_names == ()
    assert [release.number for release in world.record.releases] == [2]


def test_only_an_undelete_leads_back_from_a_delete() -> None:
    world = live_world()
    world.send(make_delete())
    end(world)

    world.send(make_stop())

    assert (world.record.wanted, world.record.ended) == (Wanted.DELETED, True)


def test_a_stop_that_does_not_end_in_time_fails_names_what_is_left_and_ends_later() -> None:
    world = live_world()
    world.send(make_configure(stop_deadline_seconds=5))

    operation = world.send(make_stop())
    world.apply_gateway()
    world.wait(6)
    failed = world.last(OperationFailed)
    still_there = world.record.ended
    world.gone()

    assert (failed.operation, failed.failure.reason) == (operation, Reason.STOP_NOT_FINISHED)
    assert "0-1" in failed.failure.message
    assert not still_there
    assert world.record.ended
    assert world.names().count("operation.succeeded") == 1  # of the configuration


def test_a_former_name_is_routed_for_its_grace_time() -> None:
    world = live_world()

    world.send(make_configure(name="numbers", rename_grace_seconds=60))
    during = world.record.former_names
    world.wait(59)
    kept = world.record.former_names
    world.wait(2)

    assert [(each.name, each.until) for each in during] == [("digits", START + timedelta(seconds=60))]
    assert kept == during
    assert world.record.former_names == ()
    assert world.last(DeploymentConfigured).former_names == during


def test_a_name_that_comes_back_is_no_former_one() -> None:
    world = live_world()

    world.send(make_configure(name="numbers"))
    world.send(make_configure())

    assert [each.name for each in world.record.former_names] == ["numbers"]
    assert world.record.name == "digits"


def test_settings_come_with_the_first_deploy_only() -> None:
    world = World()

    world.send(make_deploy(settings=DeploymentSettings(name="numbers")))
    world.send(make_deploy(make_version(2), settings=DeploymentSettings(name="figures")))

    assert world.record.name == "numbers"


def deploy_all(world: World, *numbers: int) -> None:
    for number in numbers:
        world.send(make_redeploy(make_version(number)))
        for _ in range(3):
            world.replicas(ReplicaState.READY)
            world.apply_gateway()


def test_the_images_of_the_last_ten_releases_are_kept() -> None:
    world = live_world()

    deploy_all(world, *range(2, 11))
    early = removals(world)
    deploy_all(world, 11)

    assert early == []
    assert removals(world) == [("retention", ("20260101.1",))]


def test_a_version_that_an_older_pin_names_is_kept() -> None:
    world = live_world()
    world.desired = world.record.model_copy(update={"pins": (1,)})

    deploy_all(world, *range(2, 14))

    assert all("20260101.1" not in labels for _, labels in removals(world))


def test_releases_that_failed_take_no_place_among_the_last_ten() -> None:
    world = live_world()
    deploy_all(world, 2)
    for number in range(3, 20):
        world.send(make_redeploy(make_version(number)))
        workload = world.record.workloads[-1].workload
        world.see(workload.id, workload.replica_ids[0], ReplicaState.BLOCKED, detail="no")
        world.settle()

    deploy_all(world, 20)

    labels = [label for _, given in removals(world) for label in given]
    assert "20260101.1" not in labels
    assert "20260101.3" in labels
