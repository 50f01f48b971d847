"""How many snapshots are kept, and what of an older one stays because another has it."""

import pytest
from log_keeper import EndingWalk, Keeper
from log_script import Script
from slipway_chassis.errors import BlobMissingError
from slipway_contracts.installation_events import ArtifactUploaded
from slipway_projector.upkeep.retention import forget
from slipway_projector.upkeep.snapshot import Manifest, lacking, stored_manifest
from slipway_projector.upkeep.snapshots import named_snapshots


async def begun(keeper: Keeper) -> EndingWalk:
    walk = EndingWalk(91)
    walk.run(100)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    return walk


async def snapshot(keeper: Keeper, walk: EndingWalk, *options: str) -> Manifest:
    """Take one of a log that has grown."""
    walk.run(10)
    walk.end()
    await keeper.say(walk)
    ran = await keeper.run("snapshot", *options)
    assert ran.code == 0, ran
    (newest, *_) = await named_snapshots(keeper.log)
    return await stored_manifest(keeper.blobs, newest.message.digest)


def stored(keeper: Keeper) -> set[str]:
    return {f"sha256:{path.name}" for path in keeper.folder.glob("sha256/*/*")}


def parts(*manifests: Manifest) -> set[str]:
    return {part.digest for manifest in manifests for part in manifest.parts}


async def test_the_two_newest_are_kept_and_nothing_else(keeper: Keeper) -> None:
    walk = await begun(keeper)
    first, second, third = [await snapshot(keeper, walk) for _ in range(3)]

    named = [each.message.digest for each in await named_snapshots(keeper.log)]

    assert parts(first) & parts(second, third), "some parts are shared"
    assert parts(first) - parts(second, third), "some are not"
    assert stored(keeper) == {*named[:2]} | parts(second, third)
    assert not await lacking(keeper.blobs, second)
    with pytest.raises(BlobMissingError):
        await stored_manifest(keeper.blobs, named[2])


async def test_a_truncated_log_with_one_snapshot_has_its_past(keeper: Keeper) -> None:
    walk = await begun(keeper)
    older = await snapshot(keeper, walk)

    ran = await keeper.run("truncate", "--before", "100", "--yes", "--keep", "1")
    await keeper.remember()

    (newest, _) = await named_snapshots(keeper.log)
    manifest = await stored_manifest(keeper.blobs, newest.message.digest)
    assert ran.code == 0, ran
    assert "removed 1 older snapshots" in ran.out
    assert stored(keeper) == {newest.message.digest} | parts(manifest)
    assert older.sequence <= manifest.sequence
    assert await keeper.differences() == []


async def test_a_damaged_snapshot_counts_as_none(keeper: Keeper) -> None:
    walk = await begun(keeper)
    first, second = [await snapshot(keeper, walk) for _ in range(2)]
    (own,) = [part.digest for part in second.parts if part.table == "event"]
    keeper.blobs.path_of(own).unlink()

    third = await snapshot(keeper, walk)

    assert not await lacking(keeper.blobs, first)
    assert not await lacking(keeper.blobs, third)
    assert stored(keeper) >= parts(first, second, third) - {own}


async def test_nothing_is_removed_while_a_newer_manifest_cannot_be_read(keeper: Keeper) -> None:
    walk = await begun(keeper)
    for _ in range(2):
        await snapshot(keeper, walk)
    (newest, *_) = await named_snapshots(keeper.log)
    manifest = keeper.blobs.path_of(newest.message.digest)
    manifest.chmod(0o644)
    manifest.write_bytes(b"{}")
    before = stored(keeper)

    await snapshot(keeper, walk)

    assert stored(keeper) > before


async def test_what_an_interruption_left_goes_the_next_time_and_artifacts_stay(keeper: Keeper) -> None:
    walk = await begun(keeper)
    first, second = [await snapshot(keeper, walk) for _ in range(2)]
    gone, uploaded, *_ = sorted(parts(first) - parts(second))
    keeper.blobs.path_of(gone).unlink()
    script = Script("late")
    script.say(ArtifactUploaded(group="default", digest=uploaded, size_bytes=1, by="ada"))
    await keeper.say(script)

    place = keeper.log, keeper.stand.url, keeper.blobs
    forgotten = await forget(*place, keep=1)
    again = await forget(*place, keep=1)

    (newest, older) = [each.message.digest for each in await named_snapshots(keeper.log)]
    assert forgotten.snapshots == 1
    assert again.snapshots == 0
    assert stored(keeper) == {newest, uploaded} | parts(second)
    assert older not in stored(keeper)


@pytest.mark.parametrize("count", ["0", "-1", "two", ""])
async def test_at_least_one_is_kept(keeper: Keeper, count: str) -> None:
    ran = await keeper.run("snapshot", "--keep", count)

    assert ran.code == 2
    assert "is no number of snapshots from 1 on" in ran.error
