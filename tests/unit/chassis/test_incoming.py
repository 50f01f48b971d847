"""Files placed by hand: found, adopted whole and once, and no way out of their folder."""

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from slipway_chassis.blobs import CHUNK, FilesystemBlobStore
from slipway_chassis.errors import IncomingMissingError, IncomingRefusedError, IncomingUnsettledError
from slipway_chassis.incoming import FoundFile, IncomingFolder

MODEL = b"weights" * 1000
Place = Callable[..., Path]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(root)


@pytest.fixture
def place(root: Path) -> Place:
    def run(path: str = "model.bin", data: bytes = MODEL) -> Path:
        file = root / "incoming" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    return run


def stored(root: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (root / "sha256").rglob("*") if path.is_file()}


async def test_what_was_placed_is_found_with_size_and_time(store: FilesystemBlobStore, place: Place) -> None:
    os.utime(place("b/model.bin"), (1_700_000_000.25, 1_700_000_000.25))
    place("a model ü.bin", b"")

    first, second = await store.found()

    assert (first.path, first.size_bytes) == ("a model ü.bin", 0)
    assert second == FoundFile(
        path="b/model.bin",
        size_bytes=len(MODEL),
        modified_at=datetime.fromtimestamp(1_700_000_000.25, tz=UTC),
    )


async def test_without_the_folder_nothing_is_found(store: FilesystemBlobStore) -> None:
    assert await store.found() == []


async def test_unfinished_uploads_links_and_what_is_no_file_are_not_found(
    store: FilesystemBlobStore, place: Place, root: Path
) -> None:
    place(".model.bin.x1f3")
    place(".hidden/model.bin")
    (root / "incoming" / "link").symlink_to(place("real.bin"))
    (root / "incoming" / "folder-link").symlink_to("/etc")
    os.mkfifo(root / "incoming" / "pipe")
    place("bad-\udcff")

    assert [file.path for file in await store.found()] == ["real.bin"]


async def test_an_adopted_file_is_a_blob_and_stays_until_it_is_dismissed(
    store: FilesystemBlobStore, place: Place
) -> None:
    file = place("team/model.bin")
    (listed,) = await store.found()

    digest = await store.adopt("team/model.bin", listed=listed)

    assert digest == digest_of(MODEL)
    assert await store.size(digest) == len(MODEL)
    assert file.exists()
    await store.dismiss("team/model.bin", digest)
    await store.dismiss("team/model.bin", digest)
    assert await store.found() == []
    assert await store.exists(digest)


async def test_adopting_again_changes_nothing(store: FilesystemBlobStore, place: Place, root: Path) -> None:
    place()
    first = await store.adopt("model.bin")

    assert await store.adopt("model.bin") == first
    assert stored(root) == {first}
    assert list((root / "tmp").iterdir()) == []


async def test_who_writes_on_into_an_adopted_file_does_not_change_the_blob(
    store: FilesystemBlobStore, place: Place
) -> None:
    file = place()
    digest = await store.adopt("model.bin")

    file.write_bytes(b"other")

    assert store.path_of(digest).read_bytes() == MODEL


async def test_a_file_that_was_replaced_meanwhile_is_not_dismissed(
    store: FilesystemBlobStore, place: Place
) -> None:
    place()
    digest = await store.adopt("model.bin")
    newer = place(data=b"a newer model")

    await store.dismiss("model.bin", digest)

    assert newer.read_bytes() == b"a newer model"


def test_a_file_that_took_the_place_of_the_one_that_was_read_is_not_removed(place: Place, root: Path) -> None:
    incoming, file = IncomingFolder(root / "incoming"), place()
    with incoming.opened("model.bin") as opened:
        place("newer.bin").replace(file)

        incoming.remove(opened)

    assert [found.path for found in incoming.found()] == ["model.bin"]


async def test_a_file_whose_blob_is_not_stored_is_not_dismissed(
    store: FilesystemBlobStore, place: Place
) -> None:
    file = place()

    await store.dismiss("model.bin", digest_of(MODEL))

    assert file.exists()


@pytest.mark.parametrize("change", [b"more", b""])
async def test_a_file_that_changed_since_it_was_listed_is_refused(
    store: FilesystemBlobStore, place: Place, root: Path, change: bytes
) -> None:
    file = place()
    (listed,) = await store.found()
    with file.open("ab") as growing:
        growing.write(change)
    os.utime(file, (1_700_000_000, 1_700_000_000))

    with pytest.raises(IncomingUnsettledError, match="still being written"):
        await store.adopt("model.bin", listed=listed)

    assert stored(root) == set()


@pytest.mark.parametrize("grows_after", [0, CHUNK])
def test_a_file_that_grows_while_it_is_read_is_unsettled(root: Path, place: Place, grows_after: int) -> None:
    file = place(data=bytes(2 * CHUNK))

    with IncomingFolder(root / "incoming").opened("model.bin") as opened:
        opened.read(grows_after)
        with file.open("ab") as growing:
            growing.write(b"more")
        while opened.read(CHUNK):
            pass
        with pytest.raises(IncomingUnsettledError):
            opened.check_settled()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../outside.bin",
        "a/../../outside.bin",
        "./model.bin",
        "a//b",
        "model.bin/",
        ".hidden",
        "nul\0",
        "bad\udcff",
        "link",
        "folder-link/passwd",
        "folder",
        "pipe",
        "model.bin/inside",
    ],
)
async def test_a_path_that_leads_elsewhere_is_refused(
    store: FilesystemBlobStore, place: Place, root: Path, path: str
) -> None:
    (root.parent / "outside.bin").write_bytes(b"secret")
    place("folder/x")
    (root / "incoming" / "link").symlink_to(place())
    (root / "incoming" / "folder-link").symlink_to("/etc")
    os.mkfifo(root / "incoming" / "pipe")

    with pytest.raises(IncomingRefusedError):
        await store.adopt(path)
    with pytest.raises(IncomingRefusedError):
        await store.dismiss(path, await store.adopt("model.bin"))

    assert stored(root) == {digest_of(MODEL)}


async def test_a_file_that_is_not_there_is_named(store: FilesystemBlobStore, place: Place) -> None:
    place()

    with pytest.raises(IncomingMissingError, match=r"no file 'other\.bin'"):
        await store.adopt("other.bin")
    with pytest.raises(IncomingMissingError, match=r"no file 'folder/model\.bin'"):
        await store.adopt("folder/model.bin")
