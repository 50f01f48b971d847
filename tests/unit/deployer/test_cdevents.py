"""What a life of a deployment is in CDEvents: each change of what an alias serves once, and nothing else."""

from datetime import UTC, datetime

from deployment_world import (
    World,
    live_world,
    make_deploy,
    make_remove_alias,
    make_restored,
    make_set_alias,
    make_start,
    make_stop,
    make_version,
    shares,
)
from slipway_contracts.cdevents import package_url, rendered
from slipway_contracts.commands import Redeploy, ReleaseCommand
from slipway_contracts.envelope import Envelope, new_id
from slipway_contracts.message import Message
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import Version

Told = tuple[str, str, str | None]


def envelope_of(message: Message) -> Envelope:
    return Envelope(
        id=new_id(),
        type=message.type,
        source="/slipway/deployer",
        subject="default/digits",
        time=datetime(2026, 1, 1, tzinfo=UTC),
    )


def told(world: World) -> list[Told]:
    """Return predicate, alias and artifact of each service event so far, and forget them."""
    events = [each for message in world.told for each in rendered(message, envelope_of(message))]
    world.told.clear()
    assert {each.subject["id"] for each in events} <= {"default/digits"}
    contents = [each.subject["content"] for each in events]
    predicates = [each.type.split(".")[3] for each in events]
    return [
        (predicate, content["environment"]["id"], content.get("artifactId"))
        for predicate, content in zip(predicates, contents, strict=True)
    ]


def event(predicate: str, alias: str, version: Version | None = None) -> Told:
    return predicate, alias, package_url(version) if version else None


def make_rollback(version: Version, copy_of: int) -> Redeploy:
    request = make_deploy(version).request.model_copy(update={"copy_of": copy_of})
    return Redeploy(**_owner(), request=request, cause="rollback")


def _owner() -> dict[str, str]:
    kept = {"group", "deployment", "by", "request_digest"}
    return make_deploy().model_dump(include=kept)


def send(world: World, command: ReleaseCommand) -> list[Told]:
    world.send(command)
    world.go_well()
    return told(world)


def test_a_first_release_is_deployed_the_next_version_upgrades_it_and_a_rollback_rolls_it_back() -> None:
    world = World()
    one, two = make_version(1), make_version(2)

    assert send(world, make_deploy(one)) == [event("deployed", "live", one)]
    assert send(world, make_deploy(two)) == [event("upgraded", "live", two)]
    assert send(world, make_rollback(one, copy_of=1)) == [event("rolledback", "live", one)]
    assert send(world, make_deploy(two)) == [event("upgraded", "live", two)]


def test_what_a_copy_copies_counts_on_both_sides_so_that_forward_is_no_rollback() -> None:
    world = World()
    one, two, three = make_version(1), make_version(2), make_version(3)
    for version in (one, two, three):
        send(world, make_deploy(version))

    assert send(world, make_rollback(one, copy_of=1)) == [event("rolledback", "live", one)]
    assert send(world, make_rollback(two, copy_of=2)) == [event("upgraded", "live", two)]
    assert send(world, make_rollback(three, copy_of=3)) == [event("upgraded", "live", three)]
    assert send(world, make_rollback(two, copy_of=5)) == [event("rolledback", "live", two)]


def test_an_exact_copy_of_what_serves_or_of_what_that_copies_is_no_service_event() -> None:
    world = World()
    one, two = make_version(1), make_version(2)
    for version in (one, two):
        send(world, make_deploy(version))
    send(world, make_rollback(one, copy_of=1))

    assert send(world, make_rollback(one, copy_of=3)) == []
    assert send(world, make_rollback(one, copy_of=1)) == []


def test_the_same_version_with_another_configuration_is_no_service_event() -> None:
    world = live_world()
    told(world)

    assert send(world, make_deploy(make_version(1), replicas=2)) == []


def test_a_rollback_to_another_configuration_of_the_same_version_is_one() -> None:
    world = live_world()
    send(world, make_deploy(make_version(1), replicas=2))

    assert send(world, make_rollback(make_version(1), copy_of=1)) == [
        event("rolledback", "live", make_version(1))
    ]


def test_in_place_the_version_that_went_before_is_upgraded() -> None:
    world = live_world(strategy="in-place")
    told(world)

    assert send(world, make_deploy(make_version(2), strategy="in-place")) == [
        event("upgraded", "live", make_version(2))
    ]


def test_a_promotion_upgrades_the_alias_although_the_release_is_live_already() -> None:
    world = live_world()
    told(world)
    two = make_version(2)

    assert send(world, make_deploy(two, alias="staging")) == [event("deployed", "staging", two)]

    world.send(make_set_alias("live", {2: 100}))
    world.go_well()

    assert told(world) == [event("upgraded", "live", two)]


def test_a_canary_upgrades_when_it_gets_most_of_the_requests() -> None:
    world = live_world()
    told(world)
    two = make_version(2)

    assert send(world, make_deploy(two, weight=10, beside={1: 90})) == []

    world.send(make_set_alias("live", {1: 40, 2: 60}))
    world.go_well()
    most = told(world)
    world.send(make_set_alias("live", {2: 100}))
    world.go_well()

    assert most == [event("upgraded", "live", two)]
    assert told(world) == []


def test_an_alias_that_is_set_to_an_older_release_is_rolled_back() -> None:
    world = live_world()
    send(world, make_deploy(make_version(2)))

    world.send(make_set_alias("live", {1: 100}, make_restored(1, make_version())))
    world.go_well()

    assert told(world) == [event("rolledback", "live", make_version())]


def test_a_removed_alias_and_a_stop_remove_the_service_and_a_start_deploys_it() -> None:
    world = live_world()
    send(world, make_deploy(make_version(2), alias="staging"))

    world.send(make_remove_alias("staging"))
    world.go_well()
    removed = told(world)
    world.send(make_stop())
    world.gone()
    world.apply_gateway()
    stopped = told(world)

    assert removed == [event("removed", "staging")]
    assert stopped == [event("removed", "live")]

    assert send(world, make_start(make_version(1))) == [event("deployed", "live", make_version(1))]


def test_requests_that_no_gateway_took_over_were_never_an_upgrade() -> None:
    world = live_world()
    told(world)

    world.send(make_deploy(make_version(2)))
    world.replicas(ReplicaState.READY)
    shifted = told(world)
    world.wait(1000)

    assert world.record.traffic == shares({1: 100})
    assert shifted + told(world) == []
