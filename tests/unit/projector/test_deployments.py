from typing import Any

import pytest
from log_script import GROUP, LATER, Script
from log_walk import Walk
from memory_projection import as_logged, project
from slipway_contracts.commands import Delete, Stop
from slipway_contracts.desired import Desired
from slipway_contracts.events import BuildStepStarted, MessageDead
from slipway_contracts.evolve import DeploymentFacts, deployment_state, evolve
from slipway_contracts.installation_events import GroupConfigured, TargetAnnounced, TargetFound, TargetLost
from slipway_contracts.lifecycle import DeploymentState, ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_store.rows import DeploymentRow, TargetRow


def rows_of(script: Script, table: str) -> list[Any]:
    return project(as_logged(script.messages))[table]


def deployment_of(script: Script) -> DeploymentRow:
    (row,) = rows_of(script, "deployment")
    assert isinstance(row, DeploymentRow)
    return row


def test_a_deploy_that_went_well_is_a_deployed_deployment() -> None:
    script = Script()

    script.deployed()

    row = deployment_of(script)
    assert (row.state, row.wanted) == (DeploymentState.DEPLOYED, Wanted.RUNNING)
    assert (row.ready, row.replicas, row.live_release) == (1, 1, 1)
    assert (row.version_label, row.endpoints, row.target) == ("20260101.1", ("predict",), "local")
    decided = [place for place, each in enumerate(script.messages, 1) if isinstance(each.message, Desired)]
    assert (row.last_command, row.sequence) == (1, decided[-1])
    assert (row.created_by, row.created_at) == ("ada", script.messages[0].envelope.time)


def test_a_replica_that_dies_withdraws_deployed_and_one_that_comes_back_restores_it() -> None:
    script = Script()
    script.deployed()
    script.replica(ReplicaState.EXITED, 3, exit_code=1)
    died = deployment_of(script).state

    script.replica(ReplicaState.READY, 1, replica="0-1", epoch=2)

    assert died is DeploymentState.UNAVAILABLE
    assert deployment_of(script).state is DeploymentState.DEPLOYED


def test_a_first_deploy_names_its_target_before_it_is_decided() -> None:
    script = Script()

    script.deploy(target="farm")

    row = deployment_of(script)
    assert (row.state, row.target, row.version_label) == (DeploymentState.DEPLOYING, "farm", None)


def test_a_deploy_on_its_way_is_named_until_one_serves() -> None:
    script = Script()
    operation = script.deploy(2)

    script.desired(operation, 2, ReleaseState.STARTING)

    row = deployment_of(script)
    assert (row.state, row.version_label, row.live_release) == (DeploymentState.DEPLOYING, "20260101.2", None)


def test_a_build_alone_makes_a_deployment_that_is_new() -> None:
    script = Script()

    script.built()

    row = deployment_of(script)
    assert (row.state, row.last_command, row.created_by) == (DeploymentState.NEW, 0, "ada")


def test_nothing_but_a_command_begins_a_deployment() -> None:
    script = Script()

    script.replica(ReplicaState.READY, 1)
    script.say(BuildStepStarted(**script.owner, build=derived_id("b"), step="x"))
    script.desired(derived_id("o"), 1, ReleaseState.LIVE)

    assert rows_of(script, "deployment") == []
    assert len(rows_of(script, "replica")) == 1


@pytest.mark.parametrize(
    ("command", "wanted", "during", "after"),
    [
        (Stop, Wanted.STOPPED, DeploymentState.STOPPING, DeploymentState.STOPPED),
        (Delete, Wanted.DELETED, DeploymentState.DELETING, DeploymentState.DELETED),
    ],
)
def test_an_end_is_over_when_nothing_is_left(
    command: type[Stop | Delete], wanted: Wanted, during: DeploymentState, after: DeploymentState
) -> None:
    script = Script()
    script.deployed()

    script.say(command(**script.asker))
    asked = deployment_of(script)
    position = len(script.messages)
    script.say(Desired(**script.owner, position=position, wanted=wanted, ended=True))

    assert asked.state is during
    ended = deployment_of(script)
    assert (ended.state, ended.endpoints, ended.target) == (after, (), "local")


def test_a_lost_target_makes_its_deployments_unknown_until_it_is_found() -> None:
    script = Script()
    script.deployed()
    script.say(TargetLost(target="farm", since=LATER))
    elsewhere = deployment_of(script).state

    script.say(TargetLost(target="local", since=LATER))
    lost = deployment_of(script)
    script.say(TargetFound(target="local"))

    assert elsewhere is DeploymentState.DEPLOYED
    assert (lost.state, lost.sequence) == (DeploymentState.UNKNOWN, len(script.messages) - 1)
    assert lost.changed_at == script.messages[-2].envelope.time
    assert deployment_of(script).state is DeploymentState.DEPLOYED


def test_a_deployment_that_comes_to_a_lost_target_is_unknown_at_once() -> None:
    script = Script()
    script.say(TargetLost(target="local", since=LATER))

    script.deployed()

    assert deployment_of(script).state is DeploymentState.UNKNOWN


def test_a_target_is_what_its_monitor_announced() -> None:
    script = Script()
    script.say(TargetLost(target="local", since=LATER))
    script.say(TargetAnnounced(target="local", engine="supervisor", epoch=4, cpu=2.0, memory_bytes=9))

    (target,) = rows_of(script, "target")

    assert isinstance(target, TargetRow)
    assert (target.engine, target.epoch, target.cpu, target.memory_bytes) == ("supervisor", 4, 2.0, 9)
    assert target.lost_since == LATER, "only target.found says that it is found"


def test_a_message_that_came_twice_counts_once() -> None:
    script = Script()
    operation = script.deployed()
    before = project(as_logged(script.messages))

    script.say(Stop(**script.asker), identifier=operation)

    assert project(as_logged(script.messages)) == before


def test_what_says_nothing_about_a_deployment_leaves_its_row_as_it_is() -> None:
    script = Script()
    script.deployed()
    before = deployment_of(script)

    script.say(
        MessageDead(
            **script.owner,
            service="deployer",
            sequence=1,
            message_id="m",
            message_type="command.deploy.v1",
            deliveries=21,
            error="x",
        )
    )

    assert deployment_of(script) == before


def test_a_group_keeps_its_first_time_and_takes_its_last_value() -> None:
    script = Script()
    script.say(GroupConfigured(group=GROUP, description="one"))
    script.say(GroupConfigured(group=GROUP, description="two"))

    (row,) = rows_of(script, "group")

    assert row.description == "two"
    assert (row.created_at, row.changed_at) == tuple(each.envelope.time for each in script.messages)


@pytest.mark.parametrize("seed", range(10))
def test_a_deployment_is_what_the_contracts_say_of_its_messages(seed: int) -> None:
    walk = Walk(seed)
    walk.run(400)
    messages = as_logged(walk.messages)

    rows = project(messages)["deployment"]

    assert len(rows) == 3
    for row in rows:
        assert isinstance(row, DeploymentRow)
        facts = DeploymentFacts.empty(row.group, row.id)
        for logged in messages:
            begun = facts.last_command or logged.type.startswith("command.") or facts.sequence
            if logged.message is not None and logged.deployment == row.id and begun:
                facts = evolve(facts, logged.message, sequence=logged.sequence, at=logged.time)
        facts = facts.model_copy(update={"target_lost": row.facts.target_lost})
        touched = row.facts.model_copy(update={"sequence": facts.sequence, "changed_at": facts.changed_at})
        assert touched == facts
        assert row.state is deployment_state(facts)
