"""The time in which no deployer was there does not count against deadlines."""

from datetime import datetime, timedelta

from deployment_world import START, World, live_world, make_deploy, make_redeploy, make_stop, make_version
from slipway_contracts.replica import ReplicaState
from slipway_deployer.desired.postponing import Absence, postponed

NIGHT = timedelta(hours=9)


def night_from(evening: datetime) -> Absence:
    return Absence(since=evening, until=evening + NIGHT)


def test_a_release_on_its_way_has_the_time_left_that_it_had() -> None:
    world = World()
    world.send(make_deploy(deadline_seconds=300))
    world.wait(100)

    later = postponed(world.record, decided_at=world.at, absences=[night_from(world.at)])

    assert [each.deadline_at for each in later.unfinished] == [START + timedelta(seconds=300) + NIGHT]


def test_a_stop_has_its_time_too_and_what_drains_has_not() -> None:
    world = live_world()
    world.send(make_stop())
    before = world.record

    later = postponed(before, decided_at=world.at, absences=[night_from(world.at)])

    assert before.ending_deadline_at is not None
    assert later.ending_deadline_at == before.ending_deadline_at + NIGHT
    assert later.releases == before.releases


def test_moves_that_wait_for_the_gateways_are_put_off() -> None:
    world = live_world()
    world.send(make_redeploy(make_version(2)))
    world.replicas(ReplicaState.READY)

    later = postponed(world.record, decided_at=world.at, absences=[night_from(world.at)])

    before = [each.deadline_at + NIGHT for each in world.record.moves if each.deadline_at]
    assert before
    assert [each.deadline_at for each in later.moves] == before


def test_of_an_absence_counts_what_came_after_the_decision() -> None:
    world = World()
    world.send(make_deploy(deadline_seconds=300))
    before, hour = night_from(world.at - 2 * NIGHT), timedelta(hours=1)
    halfway = Absence(since=world.at - hour, until=world.at + hour)

    later = postponed(world.record, decided_at=world.at, absences=[before, halfway])

    assert [each.deadline_at for each in later.unfinished] == [START + timedelta(seconds=300) + hour]


def test_without_an_absence_nothing_is_put_off() -> None:
    world = World()
    world.send(make_deploy())

    again = postponed(world.record, decided_at=world.at, absences=[night_from(world.at - NIGHT)])

    assert again == world.record
