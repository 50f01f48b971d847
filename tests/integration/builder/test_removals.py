"""Versions go without taking what others use, whoever builds at the same moment and whatever dies."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from integration.builder.removal_world import RemovalWorld
from slipway_builder.dead_commands import DeadCommands
from slipway_builder.images.image_blobs import first_missing
from slipway_builder.removing.image_use import UseUnreadableError
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.broker import DeadMessage
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.stored import Receipt
from slipway_contracts.events import MessageDead
from slipway_contracts.installation_events import ArtifactAdopted

SOURCE = {"source"}


@pytest.fixture
def world(log: EventLog, tmp_path: Path) -> RemovalWorld:
    return RemovalWorld(log=log, root=tmp_path / "blobs")


async def test_nothing_of_the_only_version_stays_but_its_source(world: RemovalWorld) -> None:
    version = await world.version(["server", "code"], ["server", "model"])

    await world.removals().remove(*await world.ask(version))

    assert world.stored() == SOURCE
    (event,) = await world.removed()
    assert (event.version, event.label, event.leftovers) == (version.id, version.label, ())


async def test_what_another_version_uses_stays_and_goes_with_the_last_user(world: RemovalWorld) -> None:
    old = await world.version(["server", "old code"])
    new = await world.version(["server", "new code"])
    removals = world.removals()

    await removals.remove(*await world.ask(old))

    assert await world.is_whole(new)
    assert "layer old code" not in world.stored()
    await removals.remove(*await world.ask(new))
    assert world.stored() == SOURCE


async def test_two_versions_of_equal_images_keep_them_until_both_are_gone(world: RemovalWorld) -> None:
    first, second = await world.version(["code"]), await world.version(["code"])
    assert first.endpoints == second.endpoints

    await world.removals().remove(*await world.ask(first))

    assert await world.is_whole(second)
    await world.removals().remove(*await world.ask(second))
    assert world.stored() == SOURCE


async def test_versions_that_two_builders_remove_at_once_leave_nothing_shared_behind(
    world: RemovalWorld,
) -> None:
    first, second = await world.version(["server", "a"]), await world.version(["server", "b"])
    commands = [await world.ask(first), await world.ask(second)]

    await asyncio.gather(*(world.removals().remove(*command) for command in commands))

    assert world.stored() == SOURCE
    assert {event.version for event in await world.removed()} == {first.id, second.id}


async def test_a_removed_version_can_be_built_again(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    await world.removals().remove(*await world.ask(version))

    again = await world.version(["code"])

    assert again.endpoints == version.endpoints
    assert await world.is_whole(again)


async def test_an_adopted_artifact_stays_whatever_used_it(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    layer = await world.layer("code")
    await world.publish(
        ArtifactAdopted(group="default", digest=layer.digest, name="model", size_bytes=layer.size, by="ada")
    )

    await world.removals().remove(*await world.ask(version))

    assert "layer code" in world.stored()


async def test_a_layer_that_a_running_build_reuses_waits_for_its_end_and_stays(world: RemovalWorld) -> None:
    old = await world.version(["server", "old code"])
    await world.settle()
    build = await world.started()
    await world.layer("server")

    removing = asyncio.create_task(world.removals().remove(*await world.ask(old)))
    await eventually(lambda: "layer old code" not in world.stored())
    assert await world.removed() == []
    new = await world.version(["server", "new code"], build=build)
    await removing

    assert await world.is_whole(new)
    assert [event.version for event in await world.removed()] == [old.id]


async def test_a_layer_that_a_failed_build_reused_goes_after_its_end(world: RemovalWorld) -> None:
    old = await world.version(["server"])
    build = await world.started()
    await world.layer("server")
    removing = asyncio.create_task(world.removals().remove(*await world.ask(old)))

    await world.failed(build)
    await removing

    assert world.stored() == SOURCE


async def test_builds_that_reuse_layers_while_they_are_removed_always_end_whole(world: RemovalWorld) -> None:
    """Every interleaving is fine: the layer is reused in time, or built again."""
    removals = world.removals()
    last = await world.version(["server", "code 0"])
    for number in range(1, 25):
        command = await world.ask(last)
        build = asyncio.create_task(world.version(["server", f"code {number}"]))
        removing = asyncio.create_task(removals.remove(*command))
        last = await build
        await removing
        assert await world.is_whole(last)

    assert len(await world.removed()) == 24


async def test_a_build_whose_blobs_vanished_is_told_before_it_ends(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    await world.blobs.delete((await world.layer("code")).digest)

    missing = await first_missing(world.blobs, [version.endpoints[0].image])

    assert missing is not None


class Crash(BaseException):
    """A process ends here."""


class CrashingStore(FilesystemBlobStore):
    """Ends its process before or after one of its removals."""

    def __init__(self, root: Path, *, at: int, after: bool) -> None:
        super().__init__(root)
        self.left = at
        self.after = after

    async def reclaim(self, digest: str, *, unclaimed_since: datetime) -> bool:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        gone = await super().reclaim(digest, unclaimed_since=unclaimed_since)
        if self.left == 0:
            raise Crash
        return gone


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_removal_that_dies_at_any_blob_is_finished_by_the_next_delivery(
    world: RemovalWorld, *, after: bool
) -> None:
    kept = await world.version(["server", "kept code"])
    whole = world.stored()
    at, crashed = 0, True
    while crashed:
        at += 1
        version = await world.version(["server", "code"], ["server", "code", "model"])
        command = await world.ask(version)
        store = CrashingStore(world.root, at=at, after=after)
        try:
            await world.removals(blobs=store).remove(*command)
            crashed = False
        except Crash:
            await world.removals().remove(*command)
        assert world.stored() == whole
        assert await world.is_whole(kept)
        assert (await world.removed())[-1].version == version.id

    assert at > 8
    assert len({event.version for event in await world.removed()}) == len(await world.removed()) == at


class CrashingLog(EventLog):
    """Ends its process before or after it wrote."""

    after = False

    async def publish(self, outgoing: Outgoing) -> Receipt:
        if self.after:
            await super().publish(outgoing)
        raise Crash


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_removal_that_dies_at_its_event_is_told_once(
    world: RemovalWorld, connection: Any, *, after: bool
) -> None:
    version = await world.version(["code"])
    command = await world.ask(version)
    dying = CrashingLog(connection=connection)
    dying.after = after
    with pytest.raises(Crash):
        await world.removals(log=dying).remove(*command)

    await world.removals().remove(*command)

    assert [event.version for event in await world.removed()] == [version.id]
    assert world.stored() == SOURCE


async def test_a_redelivered_removal_does_not_touch_a_version_built_since(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    command = await world.ask(version)
    await world.removals().remove(*command)
    again = await world.version(["code"])

    await world.removals().remove(*command)

    assert await world.is_whole(again)
    assert len(await world.removed()) == 1


class StubbornStore(FilesystemBlobStore):
    """Has a blob that the disk does not let go."""

    stuck = ""

    async def reclaim(self, digest: str, *, unclaimed_since: datetime) -> bool:
        if digest == self.stuck:
            raise OSError(30, "Read-only file system")
        return await super().reclaim(digest, unclaimed_since=unclaimed_since)


async def test_what_cannot_be_removed_is_named_with_its_reason(world: RemovalWorld) -> None:
    version = await world.version(["code", "model"])
    store = StubbornStore(world.root)
    store.stuck = (await world.layer("model")).digest

    await world.removals(blobs=store).remove(*await world.ask(version))

    (event,) = await world.removed()
    assert event.leftovers == (f"layer {store.stuck}: Read-only file system",)
    assert world.stored() == SOURCE | {"layer model"}


async def test_a_version_whose_manifest_is_lost_is_removed_as_far_as_it_is_known(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    await world.blobs.delete(version.endpoints[0].image)

    await world.removals().remove(*await world.ask(version))

    assert [event.version for event in await world.removed()] == [version.id]


async def test_nothing_goes_while_a_version_of_a_later_release_cannot_be_read(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    await world.publish(
        ArtifactAdopted(group="default", digest="sha256:" + 64 * "0", name="x", size_bytes=1, by="ada"),
        type="artifact.adopted.v9",
    )

    with pytest.raises(UseUnreadableError, match="nothing is removed"):
        await world.removals().remove(*await world.ask(version))

    assert await world.is_whole(version)


async def test_a_removal_that_is_given_up_ends_no_build(world: RemovalWorld) -> None:
    version = await world.version(["code"])
    _, asked = await world.ask(version)

    await DeadCommands(log=world.log).give_up(DeadMessage(stored=asked, deliveries=21, error="no"))

    found = [each async for each in world.log.read("slipway.*.*.evt.>", after=asked.sequence)]
    assert [type(each.message) for each in found] == [MessageDead]
