import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from slipway_standalone.errors import RuntimeFolderError
from slipway_standalone.runtime import LONGEST_FOLDER, SHARED_MEMORY, RuntimeFolder, folder_for

LONG = Path("/") / "/".join(["a" * 50] * 8)
LONGEST_PID = 10


@pytest.fixture
def place() -> Iterator[Path]:
    """The folder in /tmp that belongs to a state path nobody else has."""
    path = folder_for(LONG / str(os.getpid()), uid=os.geteuid(), session=None)
    yield path
    for each in (path, RuntimeFolder(path).memory):
        if each.is_symlink():
            each.unlink()
        shutil.rmtree(each, ignore_errors=True)


def prepare(environment: dict[str, str] | None = None) -> RuntimeFolder:
    return RuntimeFolder.prepare(LONG / str(os.getpid()), environment or {})


def test_socket_paths_stay_below_the_limit_however_long_the_state_path_is(place: Path) -> None:
    runtime = prepare()

    assert runtime.path == place
    for path in (runtime.supervisor, runtime.envoy_admin):
        assert len(str(path)) + LONGEST_PID < 104


@pytest.mark.usefixtures("place")
def test_the_session_folder_of_the_user_is_preferred() -> None:
    with TemporaryDirectory(dir="/tmp") as session:
        assert prepare({"XDG_RUNTIME_DIR": session}).path.parent == Path(session)


def test_a_session_folder_that_is_too_long_is_not_used(place: Path) -> None:
    assert prepare({"XDG_RUNTIME_DIR": "/" + "a" * LONGEST_FOLDER}).path == place


def test_preparing_again_gives_the_same_folder(place: Path) -> None:
    assert prepare() == prepare()
    assert place.stat().st_mode & 0o777 == 0o700


def test_secrets_get_a_private_folder_in_memory_that_goes_with_the_other(place: Path) -> None:
    runtime = prepare()

    assert runtime.memory.parent == SHARED_MEMORY
    assert runtime.memory.stat().st_mode & 0o777 == 0o700
    runtime.remove()
    assert not runtime.memory.exists()
    assert not place.exists()


def test_a_place_in_memory_that_others_may_enter_is_refused(place: Path) -> None:
    memory = RuntimeFolder(place).memory
    memory.mkdir(mode=0o700)
    memory.chmod(0o755)

    with pytest.raises(RuntimeFolderError, match="not a private folder"):
        prepare()


def test_a_link_that_somebody_put_in_its_place_is_refused(place: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    place.symlink_to(tmp_path)

    with pytest.raises(RuntimeFolderError, match="not a private folder"):
        prepare()


def test_a_folder_that_others_may_enter_is_refused(place: Path) -> None:
    place.mkdir(mode=0o700)
    place.chmod(0o755)

    with pytest.raises(RuntimeFolderError, match="not a private folder"):
        prepare()
