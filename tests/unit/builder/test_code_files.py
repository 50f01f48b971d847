"""Which files go into the code layer and which into layers of their own."""

import hashlib
from pathlib import Path

import pytest
from slipway_builder.source.code_files import EndpointFileMissingError, SourceFiles
from slipway_builder.source.source_archive import SourceFile, SourceLink, SourceTree
from slipway_contracts.manifest import Manifest


def manifest(*paths: str) -> Manifest:
    files = [{"name": f"f{number}", "path": path} for number, path in enumerate(paths)]
    return Manifest.model_validate({"endpoints": [{"name": "predict", "wsgi": "a:b", "files": files}]})


def source(root: Path, files: dict[str, str], links: dict[str, str] | None = None) -> SourceTree:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    for path, target in (links or {}).items():
        (root / path).symlink_to(target)
    return SourceTree(
        root=root,
        files=tuple(
            SourceFile(
                path=path,
                size=len(content),
                executable=False,
                sha256=hashlib.sha256(content.encode()).hexdigest(),
            )
            for path, content in sorted(files.items())
        ),
        links=tuple(SourceLink(path=path, target=target) for path, target in (links or {}).items()),
    )


def test_the_code_leaves_out_what_nobody_runs_and_the_files_of_endpoints(tmp_path: Path) -> None:
    names = [
        *("app.py", "pkg/mod.py", "model.pkl", "weights/a.bin", "slipway.yaml"),
        *(".git/HEAD", "pkg/__pycache__/mod.pyc", "stale.pyc", ".venv/bin/python", "sub/.venv/x"),
    ]
    files = SourceFiles(source(tmp_path, dict.fromkeys(names, "x")), manifest("model.pkl", "./weights"))

    assert sorted(entry.path for entry in files.code()) == ["app.py", "pkg/mod.py", "slipway.yaml"]


def test_slipwayignore_works_like_gitignore(tmp_path: Path) -> None:
    names = ["app.py", "notes.md", "docs/notes.md", "keep.md", "data/x.csv", "src/data/y.csv"]
    tree = source(tmp_path, dict.fromkeys(names, "x") | {".slipwayignore": "*.md\n!keep.md\n# all\n/data/\n"})

    code = SourceFiles(tree, manifest()).code()

    assert sorted(entry.path for entry in code) == ["app.py", "keep.md", "src/data/y.csv"]


def test_an_ignored_file_that_an_endpoint_names_is_there_all_the_same(tmp_path: Path) -> None:
    tree = source(tmp_path, {"model.pkl": "m", ".slipwayignore": "*.pkl\n"})

    files = SourceFiles(tree, manifest("model.pkl"))

    files.check()
    assert [entry.path for entry in files.of("model.pkl")] == ["model.pkl"]


def test_a_folder_can_be_the_file_of_an_endpoint(tmp_path: Path) -> None:
    files = SourceFiles(
        source(tmp_path, {"saved/a": "1", "saved/v/b": "2", "saved-not": "3"}), manifest("saved/")
    )

    files.check()
    assert [entry.path for entry in files.of("saved/")] == ["saved/a", "saved/v/b"]
    assert [entry.path for entry in files.code()] == ["saved-not"]


def test_a_link_counts_as_the_file_that_it_leads_to(tmp_path: Path) -> None:
    files = SourceFiles(source(tmp_path, {"v2.pkl": "m"}, {"model.pkl": "v2.pkl"}), manifest("model.pkl"))

    (entry,) = files.of("model.pkl")
    assert (entry.path, entry.file) == ("model.pkl", tmp_path / "v2.pkl")
    assert files.fingerprint([entry])


@pytest.mark.parametrize("path", ["model.pb", "../model.pkl", "/etc/passwd", "weights", "dangling"])
def test_a_file_that_is_not_there_is_told_with_endpoint_and_path(tmp_path: Path, path: str) -> None:
    files = SourceFiles(source(tmp_path, {"model.pkl": "m"}, {"dangling": "nowhere"}), manifest(path))

    with pytest.raises(EndpointFileMissingError, match="endpoint predict") as caught:
        files.check()

    assert repr(path) in str(caught.value)


def test_the_closest_name_is_offered(tmp_path: Path) -> None:
    files = SourceFiles(source(tmp_path, {"models/digits.pkl": "m"}), manifest("model/digits.pkl"))

    with pytest.raises(EndpointFileMissingError, match=r"did you mean 'models/digits\.pkl'\?"):
        files.check()


def test_a_fingerprint_changes_with_content_path_and_mode_only(tmp_path: Path) -> None:
    one = SourceFiles(source(tmp_path / "1", {"a": "x", "b": "y"}), manifest())
    same = SourceFiles(source(tmp_path / "2", {"b": "y", "a": "x"}), manifest())
    other = SourceFiles(source(tmp_path / "3", {"a": "y", "b": "x"}), manifest())

    assert one.fingerprint(one.all()) == same.fingerprint(list(reversed(same.all())))
    assert one.fingerprint(one.all()) != other.fingerprint(other.all())
