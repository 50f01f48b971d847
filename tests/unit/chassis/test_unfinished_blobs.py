"""Unfinished files of the blob store: gone when nobody can be writing them any more."""

from datetime import timedelta
from pathlib import Path

import pytest
from slipway_chassis.blobs import FilesystemBlobStore

ANY_AGE = timedelta(minutes=-1)
A_DAY = timedelta(days=1)


def left(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path)


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    path = tmp_path / "tmp" / "0123"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.mark.usefixtures("unfinished")
async def test_what_nobody_touched_for_long_is_removed(store: FilesystemBlobStore, tmp_path: Path) -> None:
    blob = store.path_of(f"sha256:{'ab' * 32}")
    blob.parent.mkdir(parents=True)
    blob.touch()

    await store.remove_unfinished(older_than=ANY_AGE)

    assert left(tmp_path) == {blob.name}


async def test_what_may_still_be_written_is_left(
    store: FilesystemBlobStore, unfinished: Path, tmp_path: Path
) -> None:
    await store.remove_unfinished(older_than=A_DAY)

    assert left(tmp_path) == {unfinished.name}


async def test_what_cannot_be_removed_stops_nothing(
    store: FilesystemBlobStore, unfinished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unfinished.with_name("0000")
    folder.mkdir()

    await store.remove_unfinished(older_than=ANY_AGE)

    assert left(tmp_path) == set()
    assert str(folder) in capsys.readouterr().out


async def test_a_store_that_was_never_written_to_has_none(tmp_path: Path) -> None:
    await FilesystemBlobStore(tmp_path / "blobs").remove_unfinished(older_than=ANY_AGE)

    assert not (tmp_path / "blobs").exists()
