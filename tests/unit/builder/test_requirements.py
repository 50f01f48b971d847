"""Reading requirements: flat lines, and nothing that would run foreign code."""

from pathlib import Path

import pytest
from slipway_builder.requirements import RequirementsError, read_requirements


def test_a_list_of_the_manifest_is_taken_as_it_is(tmp_path: Path) -> None:
    found = read_requirements(tmp_path, ("numpy==2.4.6", "joblib >= 1.5 ; python_version > '3.8'"))

    assert found is not None
    assert found.text == "numpy==2.4.6\njoblib >= 1.5 ; python_version > '3.8'\n"
    assert not found.uses_source


def test_included_files_comments_and_continued_lines_become_flat(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps/all.txt").write_text(
        "# all\n-r more.txt\nnumpy==2.4.6 \\\n  --hash=sha256:abc  # pinned\n\n--extra-index-url https://x/simple\n"
    )
    (tmp_path / "deps/more.txt").write_text("joblib[fast]\n")

    found = read_requirements(tmp_path, "deps/all.txt")

    assert found is not None
    assert found.lines == (
        "joblib[fast]",
        "numpy==2.4.6    --hash=sha256:abc",
        "--extra-index-url https://x/simple",
    )


def test_requirements_txt_counts_when_the_manifest_names_none(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")

    found = read_requirements(tmp_path, None)

    assert found is not None
    assert found.lines == ("numpy",)


@pytest.mark.parametrize("text", ["", "# nothing\n", "--pre\n"])
def test_requirements_that_require_nothing_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)

    assert read_requirements(tmp_path, None) is None


def test_a_source_without_requirements_has_none(tmp_path: Path) -> None:
    assert read_requirements(tmp_path, None) is None


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
        read_requirements(tmp_path, ("numpy", line))


@pytest.mark.parametrize(
    "line",
    ["./pkg", ".", "pkg/", "../pkg", "file:///tmp/pkg", "pkg @ https://x/pkg-1.tar.gz", "https://x/p.zip"],
)
def test_a_place_that_is_no_wheel_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(RequirementsError, match="is no wheel"):
        read_requirements(tmp_path, (line,))


@pytest.mark.parametrize(
    ("line", "inside"),
    [
        ("./wheels/pkg-1-py3-none-any.whl", True),
        ("wheels/pkg-1-py3-none-any.whl", True),
        ("pkg @ https://x/pkg-1-py3-none-any.whl", False),
    ],
)
def test_a_wheel_by_its_place_is_taken(tmp_path: Path, line: str, *, inside: bool) -> None:
    found = read_requirements(tmp_path, (line,))

    assert found is not None
    assert found.uses_source is inside


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "/etc/hostname", "folder"])
def test_a_file_that_is_not_in_the_source_is_refused_by_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / "source"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("numpy\n")

    with pytest.raises(RequirementsError, match=name):
        read_requirements(root, name)


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")

    with pytest.raises(RequirementsError, match="includes itself"):
        read_requirements(tmp_path, "a.txt")


def test_constraints_are_refused_rather_than_ignored(tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match="constraint files are not supported"):
        read_requirements(tmp_path, ("-c constraints.txt", "numpy"))
