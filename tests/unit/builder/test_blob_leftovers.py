"""Unfinished files of the blob store: gone when nobody can be writing them any more."""

import time
from pathlib import Path

import pytest
from slipway_builder.blob_leftovers import remove_leftovers

DAY = 24 * 60 * 60


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    path = tmp_path / "tmp" / "0123"
    path.parent.mkdir()
    path.touch()
    return path


def test_what_nobody_touched_for_a_day_is_removed(tmp_path: Path, unfinished: Path) -> None:
    blob = tmp_path / "sha256" / "ab" / "abcd"
    blob.parent.mkdir(parents=True)
    blob.touch()

    remove_leftovers(tmp_path, at=time.time() + DAY + 60)

    assert not unfinished.exists()
    assert blob.exists()


def test_what_may_still_be_written_is_left(tmp_path: Path, unfinished: Path) -> None:
    remove_leftovers(tmp_path, at=time.time() + DAY - 60)

    assert unfinished.exists()


def test_what_cannot_be_removed_stops_nothing(tmp_path: Path, unfinished: Path) -> None:
    (tmp_path / "tmp" / "0000").mkdir()

    remove_leftovers(tmp_path, at=time.time() + DAY + 60)

    assert not unfinished.exists()


def test_a_store_that_was_never_written_to_has_none(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "blobs", at=time.time())

    assert not (tmp_path / "blobs").exists()
