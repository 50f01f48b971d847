"""Versions, replicas, and what groups and the installation own, as rows."""

from typing import Any

from log_script import DIGEST, GROUP, Script, make_version, make_workload
from memory_projection import as_logged, project
from slipway_contracts.events import BuildSucceeded, VersionHidden, VersionRemoved, WorkloadUnknown
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    GroupConfigured,
    InstanceTypeConfigured,
    Member,
    NameClaimed,
    Quota,
    SecretConfigured,
    TargetAnnounced,
)
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState, SmokeResult
from slipway_contracts.size import Size


def rows_of(script: Script, table: str) -> list[Any]:
    return project(as_logged(script.messages))[table]


def row_of(script: Script, table: str) -> Any:
    (row,) = rows_of(script, table)
    return row


def test_a_version_says_whether_it_can_be_used_and_when_it_was() -> None:
    script = Script()
    build = script.built()
    made = len(script.messages) - 1
    about: dict[str, Any] = {**script.owner, "version": build}

    script.say(VersionHidden(**about, hidden=True, by="ada"))
    hidden = row_of(script, "version")
    script.say(VersionHidden(**about, hidden=False, by="ada"))
    script.say(VersionRemoved(**about, label="1", leftovers=("layer: in use",)))
    removed = row_of(script, "version")

    assert (hidden.hidden, hidden.removed_at, hidden.made) == (True, None, made)
    assert (removed.hidden, removed.leftovers, removed.made) == (False, ("layer: in use",), made)
    assert removed.removed_at == script.messages[-1].envelope.time


def test_a_version_that_is_started_knows_its_last_release() -> None:
    script = Script()
    version = make_version()
    script.say(BuildSucceeded(**script.owner, build=version.build, version=version, seconds=1.0))

    script.starting()

    row = row_of(script, "version")
    assert (row.used_by, row.used_at) == (1, script.messages[-1].envelope.time)


def test_what_a_version_that_never_was_is_said_to_be_is_not_kept() -> None:
    script = Script()

    script.say(VersionRemoved(**script.owner, version=derived_id("v"), label="1"))

    assert rows_of(script, "version") == []


def test_a_smoke_test_is_shown_with_its_replica() -> None:
    script = Script()
    smoke = SmokeResult(passed=False, message="asked / and got 500", seconds=0.1, status=500)

    script.replica(ReplicaState.READY, 1, smoke=smoke)

    assert row_of(script, "replica").smoke == smoke


def test_an_unknown_workload_is_noted_until_a_replica_of_it_is_gone_and_again_when_it_is_back() -> None:
    script = Script()
    about = WorkloadUnknown(**script.owner, workload=make_workload().id, target="local")
    script.say(about)
    script.say(about)
    noted = row_of(script, "unknown_workload")
    script.replica(ReplicaState.EXITED, 1)
    exited = row_of(script, "unknown_workload")
    script.replica(ReplicaState.GONE, 2)
    gone = row_of(script, "unknown_workload")
    script.say(about)

    assert (noted.seen_at, noted.gone_at) == (script.messages[0].envelope.time, None)
    assert exited.gone_at is None
    assert gone.gone_at is not None
    assert row_of(script, "unknown_workload").gone_at is None


def test_what_a_group_owns_is_what_was_last_said_of_it() -> None:
    script = Script()
    quota, member = Quota(cpu=2), Member(user="ada", role="admin")
    script.say(GroupConfigured(group=GROUP, deployments_enabled=False, quota=quota, members=(member,)))
    script.say(SecretConfigured(group=GROUP, secret="hf", version=2, by="ada"))  # noqa: S106
    script.say(SecretConfigured(group=GROUP, secret="hf", version=2, removed=True, by="bob"))  # noqa: S106
    script.say(ArtifactAdopted(group=GROUP, digest=DIGEST, name="m.bin", size_bytes=7, by="ada"))
    script.say(ArtifactHidden(group=GROUP, digest=DIGEST, hidden=True, by="bob"))
    script.say(NameClaimed(group=GROUP, name="digits", deployment="digits"))

    group, secret, artifact = (row_of(script, table) for table in ("group", "secret", "artifact"))

    assert (group.deployments_enabled, group.quota, group.members) == (False, quota, (member,))
    assert (secret.version, secret.removed, secret.changed_by) == (2, True, "bob")
    assert secret.created_at < secret.changed_at
    assert (artifact.name, artifact.size_bytes, artifact.adopted_by) == ("m.bin", 7, "ada")
    assert (artifact.hidden, artifact.changed_by) == (True, "bob")


def test_a_version_of_a_secret_that_is_announced_late_is_not_the_newest() -> None:
    script = Script()
    script.say(SecretConfigured(group=GROUP, secret="hf", version=3, by="ada"))  # noqa: S106
    script.say(SecretConfigured(group=GROUP, secret="hf", version=3, removed=True, by="bob"))  # noqa: S106

    script.say(SecretConfigured(group=GROUP, secret="hf", version=2, by="eve"))  # noqa: S106

    secret = row_of(script, "secret")
    assert (secret.version, secret.removed) == (3, True)


def test_an_artifact_that_is_adopted_again_is_not_hidden_any_more() -> None:
    script = Script()
    script.say(ArtifactHidden(group=GROUP, digest=DIGEST, hidden=True, by="ada"))

    script.say(ArtifactAdopted(group=GROUP, digest=DIGEST, name="m.bin", size_bytes=7, by="ada"))

    assert row_of(script, "artifact").hidden is False


def test_an_artifact_may_be_hidden_that_was_never_adopted() -> None:
    script = Script()

    script.say(ArtifactHidden(group=GROUP, digest=DIGEST, hidden=True, by="ada"))

    row = row_of(script, "artifact")
    assert (row.name, row.adopted_at, row.hidden) == (None, None, True)


def test_what_the_installation_offers_is_what_was_last_said_of_it() -> None:
    script = Script()
    script.say(
        TargetAnnounced(
            target="farm", engine="supervisor", epoch=1, cpu=4, memory_bytes=9, gpu=2, allocatable_cpu=3.5
        )
    )
    script.say(InstanceTypeConfigured(name="small", size=Size(gpu=1), by="ada"))
    script.say(InstanceTypeConfigured(name="small", size=Size(gpu=1), removed=True, by="bob"))

    target, kind = row_of(script, "target"), row_of(script, "instance_type")

    assert (target.gpu, target.allocatable_cpu, target.allocatable_memory_bytes) == (2, 3.5, None)
    assert (kind.size.gpu, kind.removed, kind.changed_by) == (1, True, "bob")
