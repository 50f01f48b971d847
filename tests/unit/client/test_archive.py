import hashlib
import os
import tarfile
from pathlib import Path

import pytest
from slipway.archive import name_of, pack
from slipway.errors import InvalidInputError


def make_source(folder: Path) -> Path:
    folder.mkdir()
    (folder / "slipway.yaml").write_text("endpoints: []\n")
    (folder / "app").mkdir()
    (folder / "app" / "main.py").write_text("print('hello')\n")
    return folder


def names(folder: Path) -> list[str]:
    with pack(folder) as archive, tarfile.open(fileobj=archive.file, mode="r:gz") as tar:
        return tar.getnames()


def digest(folder: Path) -> str:
    with pack(folder) as archive:
        return archive.digest


def test_same_content_in_another_folder_at_another_time_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = make_source(tmp_path / "one"), make_source(tmp_path / "two")
    os.utime(second / "slipway.yaml", (1, 1))
    (second / "app" / "main.py").chmod(0o600)

    with pack(first) as one, pack(second) as two:
        content = one.file.read()
        assert len(content) == one.size > 0
        assert content == two.file.read()
        assert one.digest == two.digest


def test_a_changed_byte_and_a_changed_executable_bit_change_the_digest(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    before = digest(folder)

    (folder / "app" / "main.py").chmod(0o755)
    executable = digest(folder)
    (folder / "app" / "main.py").write_text("print('bye')\n")

    assert len({before, executable, digest(folder)}) == 3


def test_the_digest_is_the_sha256_of_what_is_sent_and_the_size_its_length(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")

    with pack(folder) as archive:
        content = archive.file.read()
        assert archive.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert archive.size == len(content)
        assert archive.files == 2


def test_what_no_build_needs_is_left_out(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    for part in (".git", ".venv", "app/__pycache__", ".slipway"):
        (folder / part).mkdir()
        (folder / part / "file").write_text("x")

    assert names(folder) == ["app/main.py", "slipway.yaml"]


def test_slipwayignore_leaves_out_and_brings_back(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").write_text("# notes\n*.txt\n!keep.txt\n/data/\n!.venv/\n")
    (folder / "drop.txt").write_text("x")
    (folder / "keep.txt").write_text("x")
    (folder / "data").mkdir()
    (folder / "data" / "big").write_text("x")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").write_text("x")

    assert names(folder) == [".slipwayignore", ".venv/pyvenv.cfg", "app/main.py", "keep.txt", "slipway.yaml"]


def test_a_link_travels_as_a_link_and_is_not_followed(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / "linked").symlink_to("app", target_is_directory=True)

    with pack(folder) as archive, tarfile.open(fileobj=archive.file, mode="r:gz") as tar:
        member = tar.getmember("linked")

    assert member.issym()
    assert member.linkname == "app"


def test_a_pipe_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    os.mkfifo(folder / "pipe")

    with pytest.raises(InvalidInputError, match="pipe is neither a file nor a link"):
        pack(folder)


def test_an_empty_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")

    with pytest.raises(InvalidInputError, match="holds nothing to deploy"):
        pack(tmp_path / "empty")
    with pytest.raises(InvalidInputError, match="is no folder"):
        pack(tmp_path / "file")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("digits", "digits"), ("My Model_v2", "my-model-v2"), ("-x-", "x"), ("a" * 80, "a" * 63)],
)
def test_a_folder_name_becomes_a_valid_deployment_id(tmp_path: Path, folder: str, expected: str) -> None:
    assert name_of(tmp_path / folder) == expected


def test_a_folder_without_a_usable_name_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as refused:
        name_of(tmp_path / "数字")

    assert refused.value.hint == "Give --name."


def test_an_ignore_file_that_is_no_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").write_bytes(b"*.log\ncaf\xe9\n")

    with pytest.raises(InvalidInputError, match=r"\.slipwayignore:2: this is no UTF-8 text: byte 9 is 0xe9"):
        pack(folder)


def test_an_ignore_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").write_bytes(b"\xef\xbb\xbfapp\n")

    assert names(folder) == [".slipwayignore", "slipway.yaml"]


def test_an_ignore_file_that_is_a_folder_is_no_empty_one(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").mkdir()

    with pytest.raises(InvalidInputError, match=r"\.slipwayignore cannot be read: Is a directory"):
        pack(folder)


def test_an_ignore_file_that_leads_nowhere_is_no_empty_one(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").symlink_to("gone")

    with pytest.raises(InvalidInputError, match=r"\.slipwayignore cannot be read: No such file"):
        pack(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_an_unreadable_ignore_file_is_no_empty_one(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").write_text("app\n")
    (folder / ".slipwayignore").chmod(0)

    with pytest.raises(InvalidInputError, match=r"\.slipwayignore cannot be read: Permission denied"):
        pack(folder)


def test_a_line_that_is_no_pattern_is_named(tmp_path: Path) -> None:
    folder = make_source(tmp_path / "source")
    (folder / ".slipwayignore").write_text("# ours\n!\n")

    with pytest.raises(InvalidInputError, match=r"\.slipwayignore:2: '!' is no pattern"):
        pack(folder)
