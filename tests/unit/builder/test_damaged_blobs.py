"""Blobs that were damaged where they lie: a build that makes the same content again replaces them."""

import json
from pathlib import Path

import pytest
from slipway_builder.images.image_blobs import first_missing
from slipway_builder.images.layer_cache import Layer, LayerCache, put_bytes
from slipway_builder.images.oci import ImageSpec, write_image
from slipway_builder.installing.host_base import host_base
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_contracts.version import CommandSpec
from slipway_engines.supervisor.image_plan import plan_image

CONTENT = b"a layer of some bytes"
TRUNCATED = CONTENT[:7]
FLIPPED = CONTENT.swapcase()


@pytest.fixture
def blobs(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path / "blobs")


def damage(blobs: FilesystemBlobStore, digest: str, content: bytes) -> None:
    path = blobs.path_of(digest)
    path.chmod(0o644)
    path.write_bytes(content)


async def layer_of(blobs: FilesystemBlobStore) -> Layer:
    digest = await put_bytes(blobs, CONTENT)
    return Layer(
        digest=digest, diff_id=digest, size=len(CONTENT), media_type="application/vnd.oci.image.layer.v1.tar"
    )


async def image_of(blobs: FilesystemBlobStore) -> str:
    spec = ImageSpec(
        layers=[await layer_of(blobs)],
        command=CommandSpec(argv=("python", "server.py")),
        platform=host_base().platform,
        python=host_base().python,
    )
    return await write_image(spec, blobs)


@pytest.mark.parametrize("damaged", [b"", TRUNCATED, FLIPPED])
async def test_storing_the_same_bytes_again_replaces_a_damaged_blob(
    blobs: FilesystemBlobStore, damaged: bytes
) -> None:
    digest = await put_bytes(blobs, CONTENT)
    damage(blobs, digest, damaged)

    again = await put_bytes(blobs, CONTENT)

    assert again == digest
    assert blobs.path_of(digest).read_bytes() == CONTENT


async def test_a_cached_layer_whose_blob_is_truncated_is_made_again(blobs: FilesystemBlobStore) -> None:
    cache, layer = LayerCache(blobs=blobs), await layer_of(blobs)
    await cache.keep("layer-code-1", layer)
    assert await cache.find("layer-code-1") == layer

    damage(blobs, layer.digest, TRUNCATED)

    assert await cache.find("layer-code-1") is None


@pytest.mark.parametrize("which", ["manifest", "config"])
async def test_a_damaged_description_of_an_image_counts_as_missing_and_is_written_anew(
    blobs: FilesystemBlobStore, which: str
) -> None:
    image = await image_of(blobs)
    manifest = json.loads(blobs.path_of(image).read_bytes())
    digest = image if which == "manifest" else manifest["config"]["digest"]
    sound = blobs.path_of(digest).read_bytes()
    # Still JSON: only the digest tells.
    damage(blobs, digest, json.dumps(json.loads(sound) | {"annotations": {}}).encode())

    missing = await first_missing(blobs, [image])
    await image_of(blobs)

    assert missing == digest
    assert blobs.path_of(digest).read_bytes() == sound
    assert await first_missing(blobs, [image]) is None


@pytest.mark.parametrize("damaged", [b"", b"{", b"{}"])
async def test_a_replica_says_of_a_damaged_manifest_that_a_new_build_mends_it(
    blobs: FilesystemBlobStore, damaged: bytes
) -> None:
    image = await image_of(blobs)
    damage(blobs, image, damaged)

    problem = plan_image(image, blobs.path_of)["problem"]

    assert isinstance(problem, dict)
    assert problem["reason"] == "ImageUnusable"
    assert f"blob {image} of the image is damaged; build the version again" in problem["message"]


async def test_a_replica_says_of_a_truncated_layer_that_a_new_build_mends_it(
    blobs: FilesystemBlobStore,
) -> None:
    image, layer = await image_of(blobs), await layer_of(blobs)
    damage(blobs, layer.digest, TRUNCATED)

    problem = plan_image(image, blobs.path_of)["problem"]

    assert isinstance(problem, dict)
    assert f"blob {layer.digest} of the image is damaged; build the version again" in problem["message"]
