"""Laying layers over one another."""

from collections.abc import Mapping
from pathlib import Path

from slipway_engines.supervisor.launcher.image_root import UnpackedLayer, assemble


def unpacked(folder: Path, files: Mapping[str, str], *, whiteouts: bool = False) -> UnpackedLayer:
    folder.mkdir()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return UnpackedLayer(folder, whiteouts=whiteouts)


def visible(root: Path) -> dict[str, str]:
    """Return every file that a process would find, following links."""
    found: dict[str, str] = {}
    for path in sorted(root.iterdir()):
        if path.is_dir():
            found |= {f"{path.name}/{name}": text for name, text in visible(path).items()}
        else:
            found[path.name] = path.read_text()
    return found


def test_a_folder_of_one_layer_is_one_link(tmp_path: Path) -> None:
    code = unpacked(tmp_path / "code", {"app/main.py": "1"})
    packages = unpacked(tmp_path / "packages", {f"opt/site-packages/p{n}/a.py": "2" for n in range(100)})

    assemble([packages, code], tmp_path / "root", working_dir="/app")

    assert (tmp_path / "root/opt").is_symlink()
    assert len(visible(tmp_path / "root")) == 101


def test_folders_of_several_layers_merge_and_the_upper_file_wins(tmp_path: Path) -> None:
    lower = unpacked(tmp_path / "lower", {"opt/a/one": "1", "opt/both": "lower"})
    upper = unpacked(tmp_path / "upper", {"opt/b/two": "2", "opt/both": "upper"})

    assemble([lower, upper], tmp_path / "root", working_dir="/app")

    assert visible(tmp_path / "root") == {"opt/a/one": "1", "opt/b/two": "2", "opt/both": "upper"}
    assert not (tmp_path / "root/opt").is_symlink()
    assert (tmp_path / "root/opt/a").is_symlink()


def test_files_cost_no_space(tmp_path: Path) -> None:
    lower = unpacked(tmp_path / "lower", {"app/model": "weights"})

    assemble([lower], tmp_path / "root", working_dir="/app")

    assert (tmp_path / "root/app/model").stat().st_ino == (tmp_path / "lower/app/model").stat().st_ino


def test_code_that_resolves_its_own_place_finds_files_of_other_layers(tmp_path: Path) -> None:
    code = unpacked(tmp_path / "code", {"app/package/deep/module.py": "1"})
    model = unpacked(tmp_path / "model", {"app/model.pb": "weights"})

    assemble([code, model], tmp_path / "root", working_dir="/app")

    module = (tmp_path / "root/app/package/deep/module.py").resolve()
    assert (module.parents[2] / "model.pb").read_text() == "weights"


def test_a_whiteout_hides_what_lies_below(tmp_path: Path) -> None:
    lower = unpacked(tmp_path / "lower", {"opt/old": "1", "opt/kept": "1", "opt/folder/x": "1"})
    upper = unpacked(
        tmp_path / "upper", {"opt/.wh.old": "", "opt/.wh.folder": "", "opt/folder/y": "2"}, whiteouts=True
    )

    assemble([lower, upper], tmp_path / "root", working_dir="/app")

    assert visible(tmp_path / "root") == {"opt/kept": "1", "opt/folder/y": "2"}


def test_an_opaque_folder_hides_all_that_lies_below(tmp_path: Path) -> None:
    lower = unpacked(tmp_path / "lower", {"opt/old": "1"})
    upper = unpacked(tmp_path / "upper", {"opt/.wh..wh..opq": "", "opt/new": "2"}, whiteouts=True)

    assemble([lower, upper], tmp_path / "root", working_dir="/app")

    assert visible(tmp_path / "root") == {"opt/new": "2"}


def test_a_whiteout_that_hides_nothing_is_not_visible(tmp_path: Path) -> None:
    only = unpacked(tmp_path / "only", {"opt/deep/.wh.old": "", "opt/deep/new": "2"}, whiteouts=True)

    assemble([only], tmp_path / "root", working_dir="/app")

    assert visible(tmp_path / "root") == {"opt/deep/new": "2"}


def test_a_file_replaces_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    lower = unpacked(tmp_path / "lower", {"a/x": "1", "b": "1"})
    upper = unpacked(tmp_path / "upper", {"a": "2", "b/y": "2"})

    assemble([lower, upper], tmp_path / "root", working_dir="/app")

    assert visible(tmp_path / "root") == {"a": "2", "b/y": "2"}
