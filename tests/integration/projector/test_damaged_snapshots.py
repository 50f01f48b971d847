"""Snapshots of which parts are damaged or gone: what else tables can be made of, and what is refused."""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from log_keeper import EndingWalk, Keeper
from log_messages import make_outgoing
from log_script import Script
from memory_projection import project
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_contracts.installation_events import LogSnapshotted
from slipway_projector.upkeep.announcing import Operator
from slipway_projector.upkeep.snapshot import Manifest, Part, SnapshotError, stored_manifest
from slipway_projector.upkeep.snapshots import named_snapshots
from slipway_store.schema import PROJECTION

OPERATOR = Operator("ada@shore", "slipway log snapshot")
BEFORE = 100


async def truncated(keeper: Keeper) -> Sequence[Manifest]:
    """Truncate a log of which there was a snapshot already; return both, the older one first."""
    walk = EndingWalk(81)
    walk.run(200)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    first = await keeper.run("snapshot")
    walk.run(30)
    walk.end()
    await keeper.say(walk)
    second = await keeper.truncate(BEFORE)
    assert (first.code, second.code) == (0, 0), (first, second)
    newer, older = await named_snapshots(keeper.log)
    return [await stored_manifest(keeper.blobs, each.message.digest) for each in (older, newer)]


def damage(blobs: FilesystemBlobStore, part: Part) -> None:
    path = blobs.path_of(part.digest)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def part_of(manifest: Manifest, table: str) -> Part:
    (part,) = [part for part in manifest.parts if part.table == table]
    return part


@pytest.mark.parametrize("gone", [False, True])
async def test_an_older_snapshot_is_taken_where_the_newest_is_damaged(
    keeper: Keeper, capsys: pytest.CaptureFixture[str], *, gone: bool
) -> None:
    older, newer = await truncated(keeper)
    events = part_of(newer, "event")
    assert events.digest != part_of(older, "event").digest
    if gone:
        keeper.blobs.path_of(events.digest).unlink()
    else:
        damage(keeper.blobs, events)

    verified = await keeper.differences()
    await keeper.rebuild()
    told = capsys.readouterr().out

    assert verified == []
    assert await keeper.stand.tables() == project(keeper.history)
    assert events.digest in told
    assert str(newer.sequence) in told


async def test_the_next_snapshot_mends_what_is_damaged_in_the_newest(keeper: Keeper) -> None:
    _, newer = await truncated(keeper)
    damage(keeper.blobs, part_of(newer, "deployment"))

    ran = await keeper.run("snapshot")
    (newest, *_) = await named_snapshots(keeper.log)
    manifest = await stored_manifest(keeper.blobs, newest.message.digest)

    assert ran.code == 0, ran
    assert part_of(manifest, "deployment") == part_of(newer, "deployment")
    assert "a snapshot is damaged" in ran.out + ran.error


async def test_of_a_snapshot_with_damaged_rows_the_messages_are_folded(keeper: Keeper) -> None:
    older, newer = await truncated(keeper)
    keeper.blobs.path_of(part_of(older, "event").digest).unlink()
    damage(keeper.blobs, part_of(newer, "deployment"))

    verified = await keeper.differences()

    assert verified == []


async def test_a_snapshot_that_ends_before_the_log_is_whole_is_not_taken(keeper: Keeper) -> None:
    _, newer = await truncated(keeper)
    ran = await keeper.truncate(newer.sequence)
    last, middle, _ = await named_snapshots(keeper.log)
    damaged = await stored_manifest(keeper.blobs, last.message.digest)
    damage(keeper.blobs, part_of(damaged, "event"))
    manifest = await stored_manifest(keeper.blobs, middle.message.digest)
    damage(keeper.blobs, part_of(manifest, "event"))

    with pytest.raises(SnapshotError) as refused:
        await keeper.rebuild()

    assert ran.code == 0, ran
    assert f"lacks what came before {newer.sequence}, and no snapshot can be read" in str(refused.value)
    assert part_of(damaged, "event").digest in str(refused.value)
    assert part_of(manifest, "event").digest in str(refused.value)
    assert await keeper.stand.tables() == project(keeper.history)


async def test_a_message_whose_body_is_null_comes_back(keeper: Keeper) -> None:
    script = Script()
    script.deployed()
    await keeper.stand.start()
    await keeper.say(script)
    later = make_outgoing()
    headers = later.envelope.to_headers() | {"ce-type": f"{TYPE_PREFIX}later.v1"}
    said = await keeper.connection.nc.jetstream().publish(later.subject, b"null", headers=headers)
    await keeper.stand.reached(said.seq)

    ran = await keeper.run("snapshot")
    bodies = await keeper.stand.fetch("select body::text from event where type = 'later.v1'")

    assert ran.code == 0, ran
    assert [row[0] for row in bodies] == ["null"]


async def test_what_an_older_release_could_not_read_is_folded_by_one_that_can(keeper: Keeper) -> None:
    script = Script()
    script.deployed()
    script.deployed(2)
    await keeper.stand.start()
    await keeper.say(script)
    await keeper.truncate(max(keeper.everything))
    (newest, *_) = await named_snapshots(keeper.log)
    manifest = await stored_manifest(keeper.blobs, newest.message.digest)
    left = [keeper.everything[each] for each in await keeper.sequences()]
    (desired,) = [each for each in left if each.type == "desired.v1"]
    (created,) = [each for each in left if each.type == "release.created.v1"]

    def unread(row: dict[str, Any]) -> dict[str, Any]:
        if row["sequence"] == desired.sequence:
            return row | {"body": json.dumps(row["body"])}
        if row["sequence"] == created.sequence:
            row |= {"id": f"sequence-{created.sequence}", "type": "unknown", "source": "unknown"}
            return row | {"group": None, "deployment": None, "origin": None}
        return row

    await name(keeper.log, keeper.blobs, await as_if(keeper.blobs, manifest, unread))
    await keeper.rebuild()

    rows = await keeper.stand.fetch(
        "select id from event where sequence = any($1::bigint[]) order by sequence",
        sorted([desired.sequence, created.sequence]),
    )
    assert await keeper.stand.tables() == project(keeper.history)
    assert {row[0] for row in rows} == {desired.id, created.id}


async def as_if(
    blobs: FilesystemBlobStore, manifest: Manifest, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Manifest:
    """Return the snapshot as an older release would have written it: other rows, by another fold."""
    events = part_of(manifest, "event")
    lines = gzip.decompress(blobs.path_of(events.digest).read_bytes()).splitlines()
    changed = [json.dumps(change(json.loads(line))).encode() + b"\n" for line in lines]
    content = gzip.compress(b"".join(changed))
    part = events.model_copy(update={"digest": await put(blobs, content), "size_bytes": len(content)})
    return manifest.model_copy(update={"projection": PROJECTION - 1, "parts": (part,)})


async def name(log: EventLog, blobs: FilesystemBlobStore, manifest: Manifest) -> None:
    """Let the log name this manifest as its newest snapshot."""
    digest = await put(blobs, manifest.model_dump_json().encode())
    last = await log.last(subjects.LOG_SNAPSHOTS)
    assert last is not None
    assert isinstance(last.message, LogSnapshotted)
    message = last.message.model_copy(update={"digest": digest})
    await log.publish(OPERATOR.outgoing(message, last.sequence))


async def put(blobs: FilesystemBlobStore, content: bytes) -> str:
    async def stream() -> AsyncIterator[bytes]:
        yield content

    return await blobs.put(stream())
