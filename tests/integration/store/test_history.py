"""Releases that can run again, where aliases pointed, replicas that were, and what groups own."""

from typing import Any

from log_script import DIGEST, GROUP
from slipway_contracts.replica import ReplicaState
from slipway_contracts.size import Size
from slipway_contracts.traffic import TrafficShare
from slipway_store.queries import Reads
from slipway_store.records import (
    ALIAS_CHANGE,
    ARTIFACT,
    INSTANCE_TYPE,
    RELEASE,
    REPLICA,
    SECRET,
    UNKNOWN_WORKLOAD,
    VERSION,
)
from slipway_store.rows import (
    AliasChangeRow,
    ArtifactRow,
    InstanceTypeRow,
    SecretRow,
    UnknownWorkloadRow,
)
from store_world import AT, World, make_release, make_replica, make_version_row

CHANGED: dict[str, Any] = {"created_at": AT, "changed_at": AT, "changed_by": "ada"}


def make_change(sequence: int, *shares: tuple[int, int], alias: str = "live") -> AliasChangeRow:
    return AliasChangeRow(
        group=GROUP,
        deployment="digits",
        alias=alias,
        sequence=sequence,
        shares=tuple(TrafficShare(release=release, weight=weight) for release, weight in shares),
        at=AT,
        operation=f"o{sequence}",
        by="ada",
    )


async def test_a_release_can_run_again_while_its_version_is_there(world: World, reads: Reads) -> None:
    await world.write(VERSION, make_version_row(1), make_version_row(2, removed_at=AT))
    await world.write(VERSION, make_version_row(3, hidden=True))
    await world.write(RELEASE, *(make_release(number) for number in range(1, 5)))
    await world.write(RELEASE, make_release(5, version=None, version_id=None))

    releases = await reads.releases(GROUP, "digits", limit=9)

    able = {row.number: row.restorable for row in releases}
    assert able == {1: True, 2: False, 3: False, 4: True, 5: False}, "4 was made elsewhere"
    second = await reads.release(GROUP, "digits", 2)
    assert second is not None
    assert not second.restorable


async def test_two_releases_are_read_at_once(world: World, reads: Reads) -> None:
    await world.write(RELEASE, *(make_release(number) for number in range(1, 5)))

    found = await reads.releases(GROUP, "digits", numbers=[1, 3, 9], limit=9)

    assert [row.number for row in found] == [3, 1]


async def test_where_an_alias_pointed_is_told_newest_first(world: World, reads: Reads) -> None:
    changes = [
        make_change(1, (1, 100)),
        make_change(2, (1, 100), alias="staging"),
        make_change(3, (1, 90), (2, 10)),
        make_change(4, (2, 100)),
        make_change(5),
        make_change(6, (3, 100)),
    ]
    await world.write(ALIAS_CHANGE, *changes)

    everything = await reads.alias_changes(GROUP, "digits", limit=9)
    older = await reads.alias_changes(GROUP, "digits", alias="live", before=4, limit=9)

    assert everything == changes[::-1]
    assert older == [changes[2], changes[0]]


async def test_versions_are_listed_with_or_without_the_hidden_ones(world: World, reads: Reads) -> None:
    await world.write(VERSION, make_version_row(1), make_version_row(2, hidden=True, sequence=1))

    lists = {
        hidden: await reads.versions(GROUP, "digits", hidden=hidden, limit=9)
        for hidden in (None, True, False)
    }

    assert {hidden: [row.id for row in rows] for hidden, rows in lists.items()} == {
        None: ["v2", "v1"],
        True: ["v2"],
        False: ["v1"],
    }
    assert [row.id for row in await reads.versions(GROUP, "digits", before=2, limit=9)] == ["v1"]


async def test_what_is_shown_of_replicas_is_bounded(world: World, reads: Reads) -> None:
    dead = [
        make_replica(f"{slot}-{attempt}", state=ReplicaState.GONE, sequence=10 * attempt + slot)
        for slot in range(2)
        for attempt in range(1, 40)
    ]
    pods = [make_replica(f"pod-{n}x", state=ReplicaState.EXITED, workload="b", sequence=n) for n in (1, 2)]
    alive = make_replica("0-40", sequence=5)
    await world.write(REPLICA, alive, *dead, *pods)

    shown = await reads.replicas_shown(GROUP, "digits")

    assert [(row.workload[:1], row.replica) for row in shown] == [
        ("0", "0-40"), ("0", "1-39"), ("0", "0-39"), ("b", "pod-2x"), ("b", "pod-1x"),
    ]  # fmt: skip
    assert shown[0] == alive
    assert len(await reads.replicas_shown(GROUP, "digits", most=2)) == 2


async def test_unknown_workloads_are_listed_while_they_are_there(world: World, reads: Reads) -> None:
    def make(workload: str, **overrides: Any) -> UnknownWorkloadRow:
        values = {"group": GROUP, "deployment": "digits", "workload": workload, "target": "local"}
        return UnknownWorkloadRow(**values | {"seen_at": AT, "sequence": 1} | overrides)

    await world.write(UNKNOWN_WORKLOAD, make("a"), make("b", gone_at=AT), make("c", target="farm"))

    assert [row.workload for row in await reads.unknown_workloads()] == ["c", "a"]
    assert [row.workload for row in await reads.unknown_workloads("local")] == ["a"]


async def test_what_a_group_owns_is_listed_without_what_is_gone_or_hidden(world: World, reads: Reads) -> None:
    secrets = [
        SecretRow(group=GROUP, name=name, version=3, removed=removed, sequence=1, **CHANGED)
        for name, removed in (("hf", False), ("old", True))
    ]
    artifacts = [
        ArtifactRow(
            group=GROUP,
            digest=f"sha256:{number}",
            name="m.bin",
            size_bytes=7,
            adopted_at=AT,
            adopted_by="ada",
            hidden=number == 2,
            changed_at=AT,
            changed_by="ada",
            sequence=1,
        )
        for number in range(1, 4)
    ]
    await world.write(SECRET, *secrets)
    await world.write(ARTIFACT, *artifacts)

    assert await reads.secrets(GROUP) == [secrets[0]]
    assert await reads.secret(GROUP, "old") == secrets[1]
    assert await reads.artifacts(GROUP, limit=9) == [artifacts[0], artifacts[2]]
    assert await reads.artifacts(GROUP, after="sha256:1", limit=9) == [artifacts[2]]
    assert await reads.artifacts(GROUP, hidden=True, limit=9) == [artifacts[1]]
    assert await reads.artifact(GROUP, "sha256:2") == artifacts[1]
    assert await reads.artifact("other", DIGEST) is None


async def test_instance_types_are_listed_but_for_removed_ones(world: World, reads: Reads) -> None:
    rows = [
        InstanceTypeRow(
            name=name,
            description="",
            size=Size(gpu=1),
            node_selector={"disk": "ssd"},
            removed=name == "old",
            sequence=1,
            **CHANGED,
        )
        for name in ("small", "old")
    ]
    await world.write(INSTANCE_TYPE, *rows)

    assert await reads.instance_types() == [rows[0]]
    assert await reads.instance_type("old") == rows[1]
