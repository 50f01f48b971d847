"""What a snapshot is worth: after an upgrade, after damage, and beside another one."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from log_keeper import EndingWalk, Keeper
from log_script import Script
from memory_projection import project
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogSnapshotted
from slipway_projector.upkeep.announcing import Operator
from slipway_projector.upkeep.snapshot import Manifest, SnapshotError, stored_manifest
from slipway_store.schema import HEAD, PROJECTION

OPERATOR = Operator("ada@shore", "slipway log snapshot")


@pytest.fixture
async def walk(keeper: Keeper) -> EndingWalk:
    walk = EndingWalk(61)
    walk.run(600)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    return walk


async def newest(log: EventLog) -> LogSnapshotted:
    stored = await log.last(subjects.LOG_SNAPSHOTS)
    assert stored is not None
    assert isinstance(stored.message, LogSnapshotted)
    return stored.message


async def name(keeper: Keeper, manifest: Manifest) -> None:
    """Let the log name this manifest as its newest snapshot."""

    async def content() -> AsyncIterator[bytes]:
        yield manifest.model_dump_json().encode()

    digest = await keeper.blobs.put(content())
    last = await keeper.log.last(subjects.LOG_SNAPSHOTS)
    message = (await newest(keeper.log)).model_copy(update={"digest": digest})
    await keeper.log.publish(OPERATOR.outgoing(message, last.sequence if last else 0))


def part_of(keeper: Keeper, manifest: Manifest, table: str) -> Path:
    (part,) = [part for part in manifest.parts if part.table == table]
    return keeper.blobs.path_of(part.digest)


async def test_a_snapshot_names_where_how_much_and_can_be_read_by_anyone(
    keeper: Keeper, walk: EndingWalk
) -> None:
    end = max(keeper.everything)

    ran = await keeper.run("snapshot")
    message = await newest(keeper.log)
    manifest = await stored_manifest(keeper.blobs, message.digest)
    lines = gzip.decompress(part_of(keeper, manifest, "event").read_bytes()).splitlines()
    shown = await keeper.run("show")

    assert ran.code == 0, ran
    assert f"snapshot at sequence {end}: {message.rows} rows" in ran.out
    assert (manifest.sequence, manifest.projection, manifest.migration) == (end, PROJECTION, HEAD)
    assert [json.loads(line)["sequence"] for line in lines] == sorted(keeper.everything)
    assert {part.table for part in manifest.parts} >= {"event", "deployment", "operation", "checkpoint"}
    assert f"at sequence {end}: {message.digest}" in shown.out
    assert "it was never truncated" in shown.out
    assert walk.messages


async def test_parts_that_did_not_change_are_stored_once(keeper: Keeper, walk: EndingWalk) -> None:
    await keeper.run("snapshot")
    first = await stored_manifest(keeper.blobs, (await newest(keeper.log)).digest)
    script = Script("late")
    script.deployed()
    await keeper.say(script)

    await keeper.run("snapshot")
    second = await stored_manifest(keeper.blobs, (await newest(keeper.log)).digest)

    shared = {part.digest for part in first.parts} & {part.digest for part in second.parts}
    assert second.sequence > first.sequence
    assert len(shared) > 3
    assert walk.messages


async def test_who_asked_is_in_the_audit(keeper: Keeper, walk: EndingWalk) -> None:
    await keeper.truncate(300)
    await keeper.stand.reached(await keeper.log.end())

    rows = await keeper.stand.fetch(
        "select type, origin->>'user', origin->>'agent' from event where type like 'log.%' order by sequence"
    )

    assert [row[0] for row in rows] == ["log.snapshotted.v1", "log.truncated.v1"]
    assert {row[2] for row in rows} == {"slipway log truncate"}
    assert all("@" in row[1] for row in rows)
    assert walk.messages


async def test_what_another_fold_made_is_folded_anew_from_its_messages(
    keeper: Keeper, walk: EndingWalk
) -> None:
    await keeper.truncate(max(keeper.everything))
    manifest = await stored_manifest(keeper.blobs, (await newest(keeper.log)).digest)
    messages_alone = [part for part in manifest.parts if part.table == "event"]

    older = {"projection": PROJECTION - 1, "migration": "0001", "parts": tuple(messages_alone)}
    await name(keeper, manifest.model_copy(update=older))
    await keeper.remember()
    verified = await keeper.differences()
    walk.run(100)
    await keeper.say(walk)
    await keeper.rebuild()

    assert verified == []
    assert await keeper.stand.tables() == project(keeper.history)


async def test_a_damaged_snapshot_is_told_and_changes_nothing(keeper: Keeper, walk: EndingWalk) -> None:
    await keeper.truncate(max(keeper.everything))
    manifest = await stored_manifest(keeper.blobs, (await newest(keeper.log)).digest)
    damaged = part_of(keeper, manifest, "event")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.chmod(0o644)
    damaged.write_bytes(content)

    with pytest.raises(SnapshotError, match="holds other bytes; bring it back"):
        await keeper.rebuild()

    assert await keeper.stand.tables() == project(keeper.history)
    assert walk.messages


async def test_the_snapshot_before_is_taken_where_the_newest_is_gone(
    keeper: Keeper, walk: EndingWalk
) -> None:
    await keeper.run("snapshot")
    older = await newest(keeper.log)
    walk.run(100)
    walk.end()
    await keeper.say(walk)
    await keeper.truncate(300)
    newer = await newest(keeper.log)

    keeper.blobs.path_of(newer.digest).unlink()
    verified = await keeper.differences()
    keeper.blobs.path_of(older.digest).unlink()

    assert newer.digest != older.digest
    assert verified == []
    with pytest.raises(SnapshotError, match="lacks what came before 300, and no snapshot can be read"):
        await keeper.rebuild()


async def test_an_empty_log_has_nothing_to_keep(keeper: Keeper) -> None:
    await keeper.stand.start()

    taken, truncated = await keeper.run("snapshot"), await keeper.truncate(1)
    shown = json.loads((await keeper.run("show", "--json")).out)

    assert taken.code == 2
    assert "nothing" in taken.error
    assert truncated.code == 0
    assert (shown["messages"], shown["whole_from"], shown["snapshot"]) == (0, 1, None)
