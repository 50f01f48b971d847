"""Folders of builds: gone at the end, and cleared away after a builder that died."""

from pathlib import Path

import pytest
from slipway_builder.making.work_folders import WorkFolders


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_folder_is_empty_and_goes_with_its_build(tmp_path: Path) -> None:
    with WorkFolders.open(tmp_path) as folders:
        async with folders.folder() as folder:
            assert contents(folder) == []
            (folder / "file").touch()

        assert not folder.exists()
    assert contents(tmp_path) == []


async def test_a_folder_goes_with_a_build_that_fails_too(tmp_path: Path) -> None:
    with WorkFolders.open(tmp_path) as folders:
        with pytest.raises(ZeroDivisionError):
            async with folders.folder() as folder:
                raise ZeroDivisionError

        assert not folder.exists()


def test_what_a_dead_builder_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "builder-0123" / "build"
    left.mkdir(parents=True)
    (tmp_path / "builder-0123" / "lock").touch()
    (tmp_path / "unrelated").mkdir()

    with WorkFolders.open(tmp_path):
        assert not left.exists()
        assert (tmp_path / "unrelated").exists()


async def test_the_folders_of_a_builder_that_lives_are_left_alone(tmp_path: Path) -> None:
    with WorkFolders.open(tmp_path) as first:
        async with first.folder() as folder:
            with WorkFolders.open(tmp_path):
                assert folder.exists()
