"""Where the values of secrets lie, and where they must not."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor.launcher.layout import Layout
from slipway_engines.supervisor.launcher.secrets_told import secrets_told
from slipway_engines.supervisor.secret_files import SHARED_MEMORY, SecretFiles
from slipway_engines.supervisor.settings import SupervisorSettings


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def engine_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "engine"
    folder.mkdir()
    return folder


def settings_of(folder: Path, runtime_folder: Path | None) -> SupervisorSettings:
    return SupervisorSettings(
        installation="here",
        folder=folder,
        socket=Path("/tmp/none.sock"),  # noqa: S108 - never connected to
        blob_root=folder / "blobs",
        runtime_folder=runtime_folder,
    )


def test_values_are_told_to_their_program_only_and_lie_in_a_folder_of_this_user_alone(
    engine_folder: Path, memory: Path
) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))

    files.tell("p", {"TOKEN": "canary"})

    layout = Layout(str(engine_folder))
    (folder,) = memory.iterdir()
    (file,) = folder.iterdir()
    assert secrets_told(layout, "p") == {"TOKEN": "canary"}
    assert secrets_told(layout, "q") == {}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each for each in engine_folder.rglob("*") if each.is_file() and not each.is_symlink()] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_values_that_a_stranger_wrote_are_none(engine_folder: Path, memory: Path) -> None:
    files, layout = SecretFiles(settings_of(engine_folder, memory)), Layout(str(engine_folder))
    files.tell("p", {"TOKEN": "canary"})

    os.chown(layout.secret_file("p"), 65534, 65534)

    assert secrets_told(layout, "p") == {}


def test_each_engine_folder_has_a_folder_of_its_own(tmp_path: Path, memory: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        SecretFiles(settings_of(tmp_path / name, memory)).tell("p", {"NAME": name})

    assert len(list(memory.iterdir())) == 2
    assert secrets_told(Layout(str(tmp_path / "one")), "p") == {"NAME": "one"}


def test_a_folder_on_a_disk_is_refused_with_what_helps(engine_folder: Path, tmp_path: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, tmp_path))

    with pytest.raises(EngineUnavailableError, match=r"in memory only.* is on .*mount a tmpfs"):
        files.tell("p", {"TOKEN": "canary"})

    assert b"canary" not in b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())


def test_a_folder_that_is_missing_is_refused(engine_folder: Path, memory: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, memory / "nowhere"))

    with pytest.raises(EngineUnavailableError, match="is missing"):
        files.tell("p", {"TOKEN": "canary"})


def test_a_folder_that_others_may_enter_is_refused(engine_folder: Path, memory: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))
    files.tell("p", {"TOKEN": "old"})
    (folder,) = memory.iterdir()
    folder.chmod(0o755)

    with pytest.raises(EngineUnavailableError, match="this user alone"):
        files.tell("p", {"TOKEN": "canary"})


def test_a_runtime_folder_of_the_user_that_is_on_a_disk_gives_way_to_shared_memory(
    engine_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    files = SecretFiles(settings_of(engine_folder, None))

    files.tell("p", {"TOKEN": "canary"})

    folder = (engine_folder / "secrets").resolve()
    assert folder.parent == SHARED_MEMORY
    files.drop("p")
    folder.rmdir()


def test_values_lost_with_the_memory_are_told_again(engine_folder: Path, memory: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))
    files.tell("p", {"TOKEN": "canary"})
    (folder,) = memory.iterdir()
    (folder / "p.json").unlink()
    folder.rmdir()
    assert not files.differ("p", {"TOKEN": "canary"})

    files.tell("p", {"TOKEN": "canary"})

    assert secrets_told(Layout(str(engine_folder)), "p") == {"TOKEN": "canary"}


def test_the_folder_follows_the_setting_and_leaves_nothing_in_the_old_place(
    engine_folder: Path, memory: Path
) -> None:
    for name in ("one", "other"):
        (memory / name).mkdir()
        SecretFiles(settings_of(engine_folder, memory / name)).tell("p", {"NAME": name})

    assert list((memory / "one").iterdir()) == []
    assert os.path.realpath(engine_folder / "secrets").startswith(str(memory / "other"))
    assert secrets_told(Layout(str(engine_folder)), "p") == {"NAME": "other"}


def test_a_changed_value_differs_and_a_repeated_or_new_one_does_not(
    engine_folder: Path, memory: Path
) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))
    files.tell("p", {"TOKEN": "1"})

    assert files.differ("p", {"TOKEN": "2"})
    assert not files.differ("p", {"TOKEN": "1"})
    assert not files.differ("p", {"MORE": "1"})
    assert not files.differ("q", {"TOKEN": "1"})


def test_what_no_program_needs_is_forgotten(engine_folder: Path, memory: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))
    for program in ("p", "q"):
        files.tell(program, {"TOKEN": program})

    files.keep_only({"q"})

    layout = Layout(str(engine_folder))
    assert (secrets_told(layout, "p"), secrets_told(layout, "q")) == ({}, {"TOKEN": "q"})
    assert [each.name for each in (engine_folder / "secrets").iterdir()] == ["q.json"]


def test_nothing_is_left_in_memory_when_no_program_has_secrets(engine_folder: Path, memory: Path) -> None:
    files = SecretFiles(settings_of(engine_folder, memory))
    files.tell("p", {"TOKEN": "1"})

    files.keep_only(set())

    assert list(memory.iterdir()) == []
    files.tell("p", {"TOKEN": "2"})
    assert secrets_told(Layout(str(engine_folder)), "p") == {"TOKEN": "2"}
