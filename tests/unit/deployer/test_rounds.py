"""The steps of a round: how much is decided at once, and what the end of a build is told by."""

from deployment_world import World, make_deploy, make_remove_alias, make_version
from slipway_contracts.events import BuildSucceeded, OperationSucceeded, ReleaseStarting
from slipway_contracts.names import derived_id
from slipway_deployer.rounds import MOST_EMITTED, folded, newly_waiting, told_of_builds

BATCH = 1000
"""Messages that the log takes in one batch."""


def test_messages_beyond_one_batch_are_decided_in_the_next_round() -> None:
    world = World()
    operations = [world.append(make_remove_alias("none")) for _ in range(2 * MOST_EMITTED)]

    decision = folded(None, world.inbox, at=world.at)
    world.settle()

    assert decision is not None
    assert MOST_EMITTED < len(decision.emitted) < BATCH
    assert decision.desired.position < world.record.position
    assert [each.operation for each in world.told if isinstance(each, OperationSucceeded)] == operations


def test_nothing_is_decided_where_there_is_no_record_and_no_message() -> None:
    assert folded(None, [], at=World().at) is None


def test_a_release_whose_build_had_ended_before_starts_because_of_its_command() -> None:
    world, version, build = World(), make_version(), derived_id("build")
    asked = world.append(make_deploy(None, build=build))
    end = BuildSucceeded(group="default", deployment="digits", build=build, version=version, seconds=1.0)
    decision = folded(None, world.inbox, at=world.at)
    assert decision is not None

    told = told_of_builds(decision, [(each, end) for each in newly_waiting(decision, None)])

    (starting,) = [each for each in told.emitted if isinstance(each.message, ReleaseStarting)]
    assert (starting.cause, starting.operation) == (asked, asked)
    assert newly_waiting(decision, decision.desired) == []
