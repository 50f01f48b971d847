"""The command that removes versions, as a builder process gets it."""

import json
from dataclasses import replace

import pytest
from eventually import eventually
from integration.builder.builder_world import APP, BuilderWorld, Upload
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.errors import TransientError
from slipway_contracts.commands import Build, RemoveVersions, VersionImages
from slipway_contracts.events import VersionRemoved
from slipway_contracts.topology import BUILDER_REMOVE
from slipway_contracts.version import Version


def make_removal(*versions: Version) -> RemoveVersions:
    return RemoveVersions(
        group="default",
        deployment="digits",
        by="ada",
        request_digest="x",
        cause="retention",
        versions=tuple(
            VersionImages(id=each.id, label=each.label, images=tuple(e.image for e in each.endpoints))
            for each in versions
        ),
    )


async def removed(world: BuilderWorld) -> list[str]:
    return [each.message.version for each in await world.told() if isinstance(each.message, VersionRemoved)]


def blobs(world: BuilderWorld) -> set[str]:
    return {f"sha256:{path.name}" for path in (world.folder / "blobs" / "sha256").glob("*/*")}


def parts(world: BuilderWorld, version: Version) -> set[str]:
    """The blobs of the version's images."""
    found = set()
    for endpoint in version.endpoints:
        digest = endpoint.image.removeprefix("sha256:")
        manifest = json.loads((world.folder / "blobs" / "sha256" / digest[:2] / digest).read_text())
        layers = {layer["digest"] for layer in manifest["layers"]}
        found |= {endpoint.image, manifest["config"]["digest"], *layers}
    return found


async def built(world: BuilderWorld, source: str) -> Version:
    asked = await world.ask(source)
    assert await world.operation(asked) == "succeeded"
    return (await world.versions())[-1]


async def test_a_removed_version_leaves_its_source_and_comes_back_by_a_new_build(
    world: BuilderWorld, upload: Upload
) -> None:
    source = await upload(APP)
    async with world.builder():
        version = await built(world, source)
        asked = await world.send(make_removal(version))
        await eventually(lambda: removed(world), timeout=30)
        assert blobs(world) == {source}

        again = await built(world, source)

    (event,) = [each for each in await world.told() if isinstance(each.message, VersionRemoved)]
    assert event.envelope.causation_id == asked.envelope.id
    assert again.id != version.id
    assert again.endpoints == version.endpoints
    assert parts(world, again) <= blobs(world)


async def test_a_builder_killed_while_it_removes_leaves_no_half_removed_version(
    world: BuilderWorld, upload: Upload
) -> None:
    async with world.builder():
        versions = [
            await built(world, await upload(APP | {"greet.py": f"print({number})\n"})) for number in range(12)
        ]
        kept = await built(world, await upload(APP))
    keep = parts(world, kept)
    gone = set().union(*(parts(world, version) for version in versions)) - keep
    await world.send(make_removal(*versions))

    async with world.builder_process() as process:
        await eventually(lambda: removed(world), timeout=30)
        process.kill()
        await process.wait()
    async with world.builder():
        await eventually(lambda: world.everything_is_answered(BUILDER_REMOVE), timeout=30)

    assert sorted(await removed(world)) == sorted(version.id for version in versions)
    assert not gone & blobs(world)
    assert keep <= blobs(world)


class LosingStore(FilesystemBlobStore):
    """Somebody removes the first blob that a build is about to rely on."""

    lost = False

    async def claim(self, digest: str) -> bool:
        if not self.lost:
            self.lost = True
            await self.delete(digest)
        return await super().claim(digest)


async def test_a_build_whose_blob_was_removed_is_built_again_and_never_told_as_a_success(
    world: BuilderWorld, upload: Upload
) -> None:
    asked = await world.ask(await upload(APP))
    assert isinstance(asked.message, Build)
    async with world.builds() as made:
        builds = replace(made, blobs=LosingStore(world.settings.blob_root))

        with pytest.raises(TransientError, match="it is built again"):
            await builds.run(asked.message, asked)
        assert await world.versions() == []
        await builds.run(asked.message, asked)

    (version,) = await world.versions()
    assert parts(world, version) <= blobs(world)
