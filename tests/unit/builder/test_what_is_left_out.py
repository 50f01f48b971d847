"""What the client uploads of a source is what the builder puts into the code."""

import tarfile
from pathlib import Path

import pytest
from slipway import archive as client
from slipway_builder.source import code_files
from slipway_builder.source.code_files import SourceFiles
from slipway_builder.source.source_archive import ArchiveLimits, unpack
from slipway_builder.stop_flag import StopFlag
from slipway_contracts.manifest import Manifest

MANIFEST = Manifest.model_validate({"endpoints": [{"name": "predict", "wsgi": "app:app"}]})
LEFT_OUT = {
    *(".git/HEAD", ".venv/lib/x.py", "__pycache__/app.pyc", "pkg/old.pyc", ".slipway/state"),
    *("sub/.git", "sub/.venv/y.py"),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for path in LEFT_OUT | {"app.py", "pkg/mod.py"}:
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / path).write_text("x")
    return tmp_path / "source"


def code_of(packed: Path) -> set[str]:
    root = packed.parent / "unpacked"
    root.mkdir()
    tree = unpack(packed, root, limits=ArchiveLimits(), stop=StopFlag())
    return {entry.path for entry in SourceFiles(tree, MANIFEST).code()}


def deployed(source: Path) -> tuple[set[str], set[str]]:
    """Return what is uploaded of a source, and what of it becomes code."""
    packed = source.parent / "source.tar.gz"
    with client.pack(source) as archive:
        packed.write_bytes(archive.file.read())
    with tarfile.open(packed) as tar:
        return set(tar.getnames()), code_of(packed)


def test_what_nobody_runs_is_neither_uploaded_nor_code(source: Path) -> None:
    uploaded, code = deployed(source)

    assert uploaded == code == {"app.py", "pkg/mod.py"}


@pytest.mark.parametrize(
    ("line", "back"),
    [
        ("!.venv", {".venv/lib/x.py", "sub/.venv/y.py"}),
        ("!/.venv/", {".venv/lib/x.py"}),
        ("!.slipway", {".slipway/state"}),
        ("!*.pyc", {"pkg/old.pyc"}),
    ],
)
def test_what_slipwayignore_brings_back_is_uploaded_and_becomes_code(
    source: Path, line: str, back: set[str]
) -> None:
    (source / client.IGNORE_FILE).write_text(f"{line}\n")

    uploaded, code = deployed(source)

    assert code == {"app.py", "pkg/mod.py"} | back
    assert uploaded == code | {client.IGNORE_FILE}


def test_of_an_archive_that_something_else_packed_the_builder_leaves_out_the_same(source: Path) -> None:
    packed = source.parent / "all.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for path in sorted(source.rglob("*")):
            tar.add(path, arcname=path.relative_to(source), recursive=False)

    code = code_of(packed)

    assert code == {"app.py", "pkg/mod.py"}
    assert client.IGNORED == code_files.IGNORED
