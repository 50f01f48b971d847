"""Settings, aliases, charges, deletes, versions and purges as rows."""

from typing import Any

import pytest
from log_script import DIGEST, LATER, Script, make_failure, make_version
from memory_projection import as_logged, project
from slipway_contracts.commands import (
    Configure,
    Delete,
    Pin,
    Purge,
    RemoveVersions,
    SetAlias,
    Undelete,
    VersionImages,
)
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.desired import Desired
from slipway_contracts.events import (
    ReleaseCreated,
    ReleaseDraining,
    ReleasePinned,
    ReleaseRetired,
)
from slipway_contracts.lifecycle import DeploymentState, OperationState, ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.quota import Charge
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaState
from slipway_contracts.size import Size
from slipway_contracts.traffic import AliasRoute, TrafficShare

SETTINGS = DeploymentSettings(name="numbers", description="Reads Digits", metadata={"team": "blue"})
WHOLE = TrafficShare(release=1, weight=100)


def rows_of(script: Script, table: str) -> list[Any]:
    return project(as_logged(script.messages))[table]


def row_of(script: Script, table: str) -> Any:
    (row,) = rows_of(script, table)
    return row


def test_a_deployment_is_called_and_found_as_its_first_command_says_before_it_is_decided() -> None:
    script = Script()

    script.deploy(settings=SETTINGS)

    row = row_of(script, "deployment")
    assert (row.name, row.description, row.metadata) == ("numbers", "Reads Digits", {"team": "blue"})
    assert row.words == "digits numbers reads"


def test_a_deployment_is_called_as_its_last_decision_says() -> None:
    script = Script()
    operation = script.deploy(settings=SETTINGS)
    former = FormerName(name="numbers", until=LATER)

    script.desired(operation, 1, ReleaseState.LIVE, former_names=(former,))

    row = row_of(script, "deployment")
    assert (row.name, row.description, row.words) == ("digits", "", "digits")
    assert row.former_names == (former,)


def test_pairs_of_metadata_are_kept_one_by_one_as_they_come_change_and_go() -> None:
    script = Script()
    operation = script.deploy(settings=SETTINGS.model_copy(update={"metadata": {"a": "1", "b": "2"}}))
    changed = SETTINGS.model_copy(update={"metadata": {"a": "3", "c": "4"}})

    script.desired(operation, 1, ReleaseState.LIVE, settings=changed)
    script.desired(operation, 1, ReleaseState.LIVE, settings=changed)

    rows = {row.key: (row.pair, row.sequence) for row in rows_of(script, "deployment_metadata")}
    assert rows == {"a": ("a=3", 2), "b": (None, 2), "c": ("c=4", 2)}


def test_a_configuration_that_is_not_decided_changes_nothing_but_the_etag() -> None:
    script = Script()
    script.deployed()
    before = row_of(script, "deployment")

    script.say(Configure(**script.asker, settings=SETTINGS))

    row = row_of(script, "deployment")
    assert (row.name, row.settings) == (before.name, before.settings)
    assert row.last_command == len(script.messages)


def test_aliases_pins_and_a_crash_loop_are_those_of_the_decision() -> None:
    script = Script()
    operation = script.deployed()
    staging = AliasRoute(alias="staging", shares=(WHOLE,))

    script.desired(operation, 1, ReleaseState.LIVE, aliases=(staging,), pins=(1,), crash_loop=make_failure())

    row = row_of(script, "deployment")
    assert row.aliases == (AliasRoute(alias="live", shares=(WHOLE,)), staging)
    assert (row.pins, row.crash_loop) == ((1,), make_failure())
    assert row.state is DeploymentState.FAILED


def test_a_deployment_is_charged_from_its_command_on_until_it_is_deleted() -> None:
    script = Script()

    script.deploy(replicas=3, size=Size(cpu=0.5, memory_bytes=10, gpu=1))
    asked = row_of(script, "deployment").charge
    script.deployed()
    decided = row_of(script, "deployment").charge
    script.say(Delete(**script.asker))
    position = len(script.messages)
    script.say(Desired(**script.owner, position=position, wanted=Wanted.DELETED, ended=True))

    assert asked == Charge(deployments=1, replicas=3, cpu=1.5, memory_bytes=30, gpu=3)
    assert decided == Charge(deployments=1, replicas=1, cpu=1.0, memory_bytes=1 << 30)
    assert row_of(script, "deployment").charge == Charge()


@pytest.mark.parametrize("level", ["hide", "unload"])
def test_a_delete_is_of_a_level_until_it_is_undone(level: Any) -> None:
    script = Script()
    script.deployed()
    script.say(Delete(**script.asker, level=level))
    script.say(Desired(**script.owner, position=len(script.messages), wanted=Wanted.DELETED, ended=True))
    deleted = row_of(script, "deployment")

    script.say(Undelete(**script.asker))
    script.say(Desired(**script.owner, position=len(script.messages), wanted=Wanted.STOPPED, ended=True))

    restored = row_of(script, "deployment")
    assert (deleted.state, deleted.deleted, deleted.listed) == (DeploymentState.DELETED, level, False)
    assert (restored.state, restored.deleted, restored.listed) == (DeploymentState.STOPPED, None, True)


def test_a_delete_after_a_further_one_takes_nothing_of_that_back() -> None:
    script = Script()
    script.deployed()
    script.say(Delete(**script.asker, level="unload"))
    script.say(Delete(**script.asker, level="hide"))
    unloaded = row_of(script, "deployment").deleted

    script.say(Purge(**script.asker))
    script.say(Delete(**script.asker, level="hide"))

    assert unloaded == "unload"
    assert row_of(script, "deployment").deleted == "purge"


def test_a_purge_leaves_the_deployment_its_operations_and_no_other_history() -> None:
    script = Script()
    script.built()
    deploy = script.deployed()
    purge = script.purged()
    script.replica(ReplicaState.GONE, 9)

    tables: dict[str, list[Any]] = dict(project(as_logged(script.messages)))

    (row,) = tables["deployment"]
    assert (row.state, row.deleted, row.listed) == (DeploymentState.PURGED, "purge", False)
    operations = {each.id: each.state for each in tables["operation"]}
    assert {deploy, purge} <= operations.keys()
    assert operations[purge] is OperationState.SUCCEEDED
    for table in ("release", "build", "version", "replica", "alias_change"):
        assert tables[table] == [], table


def test_what_comes_after_a_purge_is_kept_and_goes_on_counting() -> None:
    script = Script()
    script.deployed()
    script.purged()

    script.deployed(2)
    script.say(Desired(**script.owner, position=3, wanted=Wanted.PURGED))

    tables: dict[str, list[Any]] = dict(project(as_logged(script.messages)))
    assert [each.number for each in tables["release"]] == [2]
    assert len(tables["operation"]) == 3
    assert len(tables["replica"]) == 1


def test_a_purge_touches_no_other_deployment() -> None:
    script = Script()
    script.deployed()
    script.deployment = "words"
    script.built()
    script.deployed()
    script.deployment = "digits"
    script.purged()

    tables: dict[str, list[Any]] = dict(project(as_logged(script.messages)))

    assert {row.deployment for row in tables["release"] + tables["build"] + tables["replica"]} == {"words"}


def test_every_command_of_a_user_has_an_operation_and_a_removal_of_versions_has_none() -> None:
    script = Script()
    script.deployed()
    images = VersionImages(id=derived_id("v"), label="1", images=(DIGEST,))

    script.say(RemoveVersions(**script.asker, versions=(images,), cause="retention"))
    script.say(SetAlias(**script.asker, alias="staging", shares=(WHOLE,)))
    script.say(Pin(**script.asker, release=1, pinned=True))

    kinds = [row.kind for row in sorted(rows_of(script, "operation"), key=lambda row: row.accepted)]
    assert kinds == ["deploy", "set-alias", "pin"]


def test_a_removal_of_versions_begins_no_deployment() -> None:
    script = Script()
    images = VersionImages(id=derived_id("v"), label="1", images=(DIGEST,))

    script.say(RemoveVersions(**script.asker, versions=(images,), cause="purge"))

    assert rows_of(script, "deployment") == []


def test_each_change_of_an_alias_is_kept_with_who_asked_for_it() -> None:
    script = Script()
    operation = script.deployed()
    script.shifted(None, alias="staging")

    by_alias = {row.alias: row for row in rows_of(script, "alias_change")}

    live, staging = by_alias["live"], by_alias["staging"]
    assert (live.shares, live.operation, live.by) == ((WHOLE,), operation, "ada")
    assert (staging.shares, staging.operation, staging.by) == ((), None, None)
    assert staging.sequence == len(script.messages)


def test_a_release_says_its_alias_its_origin_and_its_instance_type() -> None:
    script = Script()
    operation = script.deploy()
    script.say(
        ReleaseCreated(
            **script.owner,
            release=4,
            operation=operation,
            cause="rollback",
            version=make_version(),
            config=ReleaseConfig(instance_type="small"),
            alias="staging",
            copy_of=2,
            by="ada",
        )
    )
    script.say(ReleasePinned(**script.owner, release=4, pinned=True, by="ada"))

    row = row_of(script, "release")

    assert (row.cause, row.alias, row.copy_of) == ("rollback", "staging", 2)
    assert (row.instance_type, row.pinned, row.version_id) == ("small", True, make_version().id)


def test_a_release_that_runs_again_is_starting_again() -> None:
    script = Script()
    script.deployed()
    script.say(ReleaseDraining(**script.owner, release=1))
    script.say(ReleaseRetired(**script.owner, release=1))

    script.starting()

    assert row_of(script, "release").state is ReleaseState.STARTING
