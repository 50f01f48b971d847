"""Layers: valid tar files, the same bytes for the same content, and reuse by key."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from slipway_builder.images.layer_cache import Layer, LayerCache, layer_key
from slipway_builder.images.layers import GZIP, PLAIN, Entry, FileChangedError, entries_of, write_layer
from slipway_builder.stop_flag import StopFlag, StoppedError
from slipway_chassis.blobs import FilesystemBlobStore

LONG = "a-very-long-folder-name/" * 8 + "modèle.py"


def make_tree(root: Path) -> list[Entry]:
    for name, content in {"b/run.sh": b"#!/bin/sh", "a.txt": b"text", LONG: b"x" * 1000}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "b/run.sh").chmod(0o775)
    (root / "link").symlink_to("a.txt")
    return entries_of(root, under="app")


async def write(store: Path, entries: list[Entry], media_type: str = GZIP) -> Layer:
    return await write_layer(
        entries, media_type=media_type, blobs=FilesystemBlobStore(store), stop=StopFlag()
    )


async def test_a_layer_is_a_tar_with_its_folders_and_without_owners_and_times(tmp_path: Path) -> None:
    entries = make_tree(tmp_path / "tree")

    layer = await write(tmp_path / "store", entries, PLAIN)

    data = FilesystemBlobStore(tmp_path / "store").path_of(layer.digest).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {each.name: each for each in tar.getmembers()}
        assert tar.extractfile(f"app/{LONG}").read() == b"x" * 1000  # type: ignore[union-attr]
    assert list(members)[:3] == [
        "app",
        "app/a-very-long-folder-name",
        f"app/{'a-very-long-folder-name/' * 2}"[:-1],
    ]
    assert (members["app"].mode, members["app/b/run.sh"].mode, members["app/a.txt"].mode) == (
        0o755,
        0o755,
        0o644,
    )
    assert members["app/link"].linkname == "a.txt"
    assert {(each.uid, each.gid, each.mtime, each.uname) for each in members.values()} == {(0, 0, 0, "")}
    assert len(data) == layer.size


async def test_digest_and_diff_id_are_those_of_the_stored_bytes(tmp_path: Path) -> None:
    layer = await write(tmp_path / "store", make_tree(tmp_path / "tree"))

    data = FilesystemBlobStore(tmp_path / "store").path_of(layer.digest).read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"


async def test_the_same_content_is_the_same_layer_wherever_and_whenever_it_lies(tmp_path: Path) -> None:
    first, second = make_tree(tmp_path / "one"), make_tree(tmp_path / "elsewhere" / "two")
    os.utime(tmp_path / "one" / "a.txt", (1, 1))

    layers = [
        await write(tmp_path / "store", first),
        await write(tmp_path / "another", list(reversed(second))),
    ]

    assert layers[0] == layers[1]


async def test_a_changed_mode_is_another_layer(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    before = await write(tmp_path / "store", entries_of(tmp_path / "tree", under="app"))
    (tmp_path / "tree" / "a.txt").chmod(0o755)

    after = await write(tmp_path / "store", entries_of(tmp_path / "tree", under="app"))

    assert before.diff_id != after.diff_id


async def test_large_files_go_through_whole(tmp_path: Path) -> None:
    content = os.urandom((5 << 20) + 123)
    (tmp_path / "model").write_bytes(content)

    layer = await write(tmp_path / "store", [Entry(path="app/model", file=tmp_path / "model")])

    path = FilesystemBlobStore(tmp_path / "store").path_of(layer.digest)
    with tarfile.open(path) as tar:
        assert tar.extractfile("app/model").read() == content  # type: ignore[union-attr]


async def test_a_layer_that_is_told_to_stop_leaves_no_blob(tmp_path: Path) -> None:
    stop = StopFlag()
    stop.set()

    with pytest.raises(StoppedError):
        await write_layer(
            make_tree(tmp_path / "tree"),
            media_type=GZIP,
            blobs=FilesystemBlobStore(tmp_path / "store"),
            stop=stop,
        )

    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_a_file_whose_size_is_not_what_was_announced_fails_the_layer(tmp_path: Path) -> None:
    with pytest.raises(FileChangedError):
        await write(tmp_path, [Entry(path="app/self", file=Path("/proc/self/status"))])


async def test_a_kept_layer_is_found_by_its_key_only(tmp_path: Path) -> None:
    blobs = FilesystemBlobStore(tmp_path / "store")
    cache = LayerCache(blobs=blobs)
    layer = await write(tmp_path / "store", make_tree(tmp_path / "tree"))

    await cache.keep(layer_key("code", "a", "b"), layer)

    assert await cache.find(layer_key("code", "a", "b")) == layer
    assert await cache.find(layer_key("code", "ab", "")) is None


async def test_a_kept_layer_whose_blob_is_gone_is_not_found(tmp_path: Path) -> None:
    blobs = FilesystemBlobStore(tmp_path / "store")
    cache = LayerCache(blobs=blobs)
    layer = await write(tmp_path / "store", make_tree(tmp_path / "tree"))
    await cache.keep("layer-x", layer)

    await blobs.delete(layer.digest)

    assert await cache.find("layer-x") is None
