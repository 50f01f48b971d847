"""Being told of changed files."""

from pathlib import Path

from eventually import eventually
from slipway_engines.supervisor.file_watch import IN_DELETE, IN_MODIFY, IN_MOVED_TO, FileWatch


def replace(path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text("x")
    temporary.replace(path)


async def test_each_watcher_of_a_folder_is_told_of_its_changes(tmp_path: Path) -> None:
    watch, one, other = FileWatch(), list[str](), list[str]()

    with (
        watch.watching(str(tmp_path), IN_MOVED_TO, one.append) as told,
        watch.watching(str(tmp_path), IN_DELETE, other.append),
    ):
        assert told
        replace(tmp_path / "a.json")
        (tmp_path / "a.json").unlink()

        await eventually(lambda: one == other == ["a.json", "a.json"])


async def test_a_watcher_that_left_is_told_nothing_and_the_others_still_are(tmp_path: Path) -> None:
    watch, one, other = FileWatch(), list[str](), list[str]()

    with watch.watching(str(tmp_path), IN_MOVED_TO, one.append):
        with watch.watching(str(tmp_path), IN_MOVED_TO, other.append):
            pass
        replace(tmp_path / "a.json")
        await eventually(lambda: one == ["a.json"])

    assert other == []


async def test_the_instance_is_given_back_when_nobody_watches(tmp_path: Path) -> None:
    watch = FileWatch()

    with watch.watching(str(tmp_path), IN_MODIFY, lambda _: None):
        assert watch._descriptor is not None

    assert watch._descriptor is None


async def test_a_folder_that_is_missing_is_not_watched(tmp_path: Path) -> None:
    watch = FileWatch()

    with watch.watching(str(tmp_path / "missing"), IN_MODIFY, lambda _: None) as told:
        assert not told

    assert watch._descriptor is None


async def test_a_folder_that_goes_away_while_watched_does_no_harm(tmp_path: Path) -> None:
    watch, seen = FileWatch(), list[str]()
    folder = tmp_path / "folder"
    folder.mkdir()

    with watch.watching(str(folder), IN_MOVED_TO, seen.append):
        folder.rmdir()
        await eventually(lambda: not watch._subscribers)

    assert watch._descriptor is None
