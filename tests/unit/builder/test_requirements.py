"""Reading requirements: flat lines, and nothing that would run foreign code."""

import errno
import os
from pathlib import Path

import pytest
from slipway_builder.source.requirements import Requirements, RequirementsError, read_requirements
from slipway_builder.stop_flag import StopFlag, StoppedError


def read(
    root: Path, given: str | tuple[str, ...] | None, *, stop: StopFlag | None = None
) -> Requirements | None:
    return read_requirements(root, given, stop=stop or StopFlag())


def test_a_list_of_the_manifest_is_taken_as_it_is(tmp_path: Path) -> None:
    found = read(tmp_path, ("numpy==2.4.6", "joblib >= 1.5 ; python_version > '3.8'"))

    assert found is not None
    assert found.text == "numpy==2.4.6\njoblib >= 1.5 ; python_version > '3.8'\n"
    assert not found.uses_source


def test_included_files_comments_and_continued_lines_become_flat(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps/all.txt").write_text(
        "# all\n-r more.txt\nnumpy==2.4.6 \\\n  --hash=sha256:abc  # pinned\n\n--extra-index-url https://x/simple\n"
    )
    (tmp_path / "deps/more.txt").write_text("joblib[fast]\n")

    found = read(tmp_path, "deps/all.txt")

    assert found is not None
    assert found.lines == (
        "joblib[fast]",
        "numpy==2.4.6    --hash=sha256:abc",
        "--extra-index-url https://x/simple",
    )


def test_requirements_txt_counts_when_the_manifest_names_none(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")

    found = read(tmp_path, None)

    assert found is not None
    assert found.lines == ("numpy",)


@pytest.mark.parametrize("text", ["", "# nothing\n", "--pre\n"])
def test_requirements_that_require_nothing_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)

    assert read(tmp_path, None) is None


def test_a_source_without_requirements_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, None) is None


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--editable=./pkg",
        "--no-binary :all:",
        "--no-binary=numpy",
        "git+https://host/x.git",
        "pkg @ git+ssh://git@host/x",
        "--config-settings x=y",
    ],
)
def test_what_would_run_a_build_script_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(RequirementsError, match="would run a build script"):
        read(tmp_path, ("numpy", line))


@pytest.mark.parametrize(
    "line",
    ["./pkg", ".", "pkg/", "../pkg", "file:///tmp/pkg", "pkg @ https://x/pkg-1.tar.gz", "https://x/p.zip"],
)
def test_a_place_that_is_no_wheel_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(RequirementsError, match="is no wheel"):
        read(tmp_path, (line,))


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("./wheels/pkg-1-py3-none-any.whl", True),
        ("wheels/pkg-1-py3-none-any.whl", True),
        ("pkg @ https://x/pkg-1-py3-none-any.whl", False),
    ],
)
def test_a_wheel_by_its_place_is_taken(tmp_path: Path, line: str, *, inside: bool) -> None:
    found = read(tmp_path, (line,))

    assert found is not None
    assert found.uses_source is inside


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "/etc/hostname", "folder"])
def test_a_file_that_is_not_in_the_source_is_refused_by_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / "source"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("numpy\n")

    with pytest.raises(RequirementsError, match=name):
        read(root, name)


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")

    with pytest.raises(RequirementsError, match="includes itself"):
        read(tmp_path, "a.txt")


def test_constraints_are_refused_rather_than_ignored(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="constraint files are not supported"):
        read(tmp_path, ("-c constraints.txt", "numpy"))


def test_files_that_multiply_by_their_includes_are_refused_at_once(tmp_path: Path) -> None:
    for number in range(32):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n" * 2)
    (tmp_path / "32.txt").write_text("numpy\n")

    with pytest.raises(RequirementsError, match="more than 32 requirements files"):
        read(tmp_path, "0.txt")


def test_the_files_of_a_whole_run_are_counted(tmp_path: Path) -> None:
    (tmp_path / "most.txt").write_text("-r one.txt\n" * 31)
    (tmp_path / "more.txt").write_text("-r one.txt\n" * 32)
    (tmp_path / "one.txt").write_text("numpy\n")

    found = read(tmp_path, "most.txt")

    assert found is not None
    assert found.lines == ("numpy",) * 31
    with pytest.raises(RequirementsError, match="more than 32 requirements files"):
        read(tmp_path, "more.txt")


def test_the_lines_of_a_whole_run_are_counted(tmp_path: Path) -> None:
    (tmp_path / "most.txt").write_text("\n" * 4_999 + "numpy\n")

    found = read(tmp_path, ("-r most.txt", "\n" * 4_997, "numpy"))

    assert found is not None
    with pytest.raises(RequirementsError, match="more than 10000 lines"):
        read(tmp_path, ("-r most.txt", "\n" * 4_998, "numpy"))


def test_reading_ends_when_the_build_does(tmp_path: Path) -> None:
    stop = StopFlag()
    stop.set()

    with pytest.raises(StoppedError):
        read(tmp_path, ("numpy",), stop=stop)


@pytest.mark.parametrize("name", ["greet.py/x.txt", "x" * 300, "x\0.txt", "loop.txt"])
def test_a_name_that_can_be_no_file_is_the_fault_of_the_source(tmp_path: Path, name: str) -> None:
    (tmp_path / "greet.py").touch()
    (tmp_path / "loop.txt").symlink_to("loop.txt")

    with pytest.raises(RequirementsError, match=r"cannot be read|no usable path") as caught:
        read(tmp_path, name)

    assert str(tmp_path) not in str(caught.value)


def test_a_full_disk_is_not_the_fault_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "read_text", full)

    with pytest.raises(OSError, match="No space left"):
        read(tmp_path, "requirements.txt")


@pytest.mark.parametrize(
    "line",
    ["pkg @ https://x/${UV_INDEX_A_PASSWORD}/pkg-1-py3-none-any.whl", "--index-url https://x/${UV_TOKEN}"],
)
def test_a_line_that_names_a_variable_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(RequirementsError, match=r"names a variable.*Write the value"):
        read(tmp_path, ("numpy", line))


def test_a_refused_line_is_told_without_its_credentials(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"https://[*]{4}@x/p\.zip") as caught:
        read(tmp_path, ("https://ada:lovelace@x/p.zip",))

    assert "lovelace" not in str(caught.value)
