import json
import stat
from pathlib import Path

import pytest
from slipway_standalone.errors import FolderBusyError, StateFolderError
from slipway_standalone.folder import FORMAT, StateFolder


def prepare(path: Path) -> StateFolder:
    with StateFolder.prepared(path) as folder:
        return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a state with spaces ü"


def test_a_new_folder_is_private_and_leaves_its_parents_as_they_are(path: Path) -> None:
    path.parent.chmod(0o700)

    folder = prepare(path)

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.installation.stat().st_mode) == 0o600


def test_preparing_again_keeps_the_identity(path: Path) -> None:
    first = prepare(path).load()

    assert prepare(path).load() == first


def test_a_folder_of_an_older_version_is_read_and_becomes_one_of_this(path: Path) -> None:
    folder = prepare(path)
    identity = folder.load().id
    folder.installation.write_text(json.dumps({"id": identity, "ports": {}, "runtime": None, "format": 1}))

    assert folder.load().id == identity
    folder.update(host="127.0.0.1")

    assert json.loads(folder.installation.read_text())["format"] == FORMAT


def test_a_folder_of_a_newer_version_is_refused_and_not_touched(path: Path) -> None:
    folder = prepare(path)
    newer = json.loads(folder.installation.read_text()) | {"format": FORMAT + 1, "unheard_of": True}
    folder.installation.write_text(json.dumps(newer))

    with pytest.raises(StateFolderError, match="newer version"):
        prepare(path)

    assert json.loads(folder.installation.read_text()) == newer


def test_a_folder_with_other_files_is_refused_and_keeps_its_mode(path: Path) -> None:
    path.mkdir(mode=0o755)
    (path / "thesis.tex").touch()

    with pytest.raises(StateFolderError, match="not of an installation"):
        prepare(path)

    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.parametrize("character", ["%", "[", "*", "\n", ";", "'", "\\", "#"])
def test_a_path_that_configurations_cannot_carry_is_refused_by_its_character(
    tmp_path: Path, character: str
) -> None:
    with pytest.raises(StateFolderError) as refused:
        prepare(tmp_path / f"a{character}b")

    assert repr(character) in refused.value.fact


def test_a_path_below_a_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateFolderError, match="cannot be written: Not a directory"):
        prepare(tmp_path / "file" / "state")


def test_a_damaged_folder_is_refused_by_the_name_of_its_file(path: Path) -> None:
    prepare(path).installation.write_text("{")

    with pytest.raises(StateFolderError, match=r"installation\.json cannot be read"):
        prepare(path)


def test_a_folder_that_another_command_works_on_is_busy(path: Path) -> None:
    folder = prepare(path)

    with folder.locked(), pytest.raises(FolderBusyError), folder.locked(patience=0.2):
        pass
