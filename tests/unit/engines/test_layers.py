"""Unpacking a layer: what is kept, and what is refused."""

import gzip
import io
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from slipway_engines.supervisor.launcher.layers import LayerError, unpack_layer


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, data: bytes = b"", **fields: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(data), fields.pop("mode", 0o644)
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)


def layer(folder: Path, *entries: bytes) -> Path:
    blob = folder / "blob"
    blob.write_bytes(b"".join(entries) + bytes(1024))
    return blob


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_files_folders_and_links_are_unpacked(tmp_path: Path, target: Path) -> None:
    blob = layer(
        tmp_path,
        entry("app", tarfile.DIRTYPE),
        entry("app/model.pb", data=b"weights", mtime=7),
        entry("app/run", data=b"#!", mode=0o4755),
        entry("app/link", tarfile.SYMTYPE, linkname="model.pb"),
        entry("app/same", tarfile.LNKTYPE, linkname="app/model.pb"),
        entry("deep/in/here", data=b"1"),
    )

    whiteouts = unpack_layer(blob, target)

    assert not whiteouts
    assert (target / "app/link").read_bytes() == b"weights"
    assert (target / "app/same").stat().st_ino == (target / "app/model.pb").stat().st_ino
    assert (target / "app/model.pb").stat().st_mtime == 7
    assert stat.S_IMODE((target / "app/model.pb").stat().st_mode) & 0o222 == 0
    assert stat.S_IMODE((target / "app/run").stat().st_mode) & 0o7700 == 0o500
    assert (target / "deep/in/here").read_bytes() == b"1"


def test_a_compressed_layer_is_unpacked(tmp_path: Path, target: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(entry("a", data=b"1") + bytes(1024)))

    unpack_layer(blob, target)

    assert (target / "a").read_bytes() == b"1"


def test_a_later_entry_replaces_an_earlier_one_of_its_name(tmp_path: Path, target: Path) -> None:
    blob = layer(tmp_path, entry("a", data=b"1"), entry("a", data=b"22"))

    unpack_layer(blob, target)

    assert (target / "a").read_bytes() == b"22"


def test_whiteouts_are_noticed(tmp_path: Path, target: Path) -> None:
    assert unpack_layer(layer(tmp_path, entry("app/.wh.old")), target)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry("../evil", data=b"1")], id="parent"),
        pytest.param([entry("a/../../evil", data=b"1")], id="parent inside"),
        pytest.param([entry("/etc/evil", data=b"1")], id="absolute"),
        pytest.param([entry("a", tarfile.SYMTYPE, linkname="/etc")], id="absolute link"),
        pytest.param([entry("a", tarfile.SYMTYPE, linkname="../..")], id="link out"),
        pytest.param(
            [
                entry("p", tarfile.DIRTYPE),
                entry("p/q", tarfile.SYMTYPE, linkname="."),
                entry("evil", tarfile.SYMTYPE, linkname="p/q/../.."),
            ],
            id="link out through another link",
        ),
        pytest.param(
            [entry("a", tarfile.SYMTYPE, linkname="b"), entry("a/evil", data=b"1")], id="write through link"
        ),
        pytest.param([entry("a", tarfile.LNKTYPE, linkname="../secret")], id="hard link out"),
        pytest.param(
            [
                entry("l", tarfile.SYMTYPE, linkname="../secret"),
                entry("a", tarfile.LNKTYPE, linkname="l"),
            ],
            id="hard link to link",
        ),
        pytest.param([entry("a", tarfile.CHRTYPE, devmajor=1, devminor=3)], id="device"),
        pytest.param([entry("a", tarfile.FIFOTYPE)], id="pipe"),
        pytest.param([entry("a", tarfile.DIRTYPE), entry("a", data=b"1")], id="folder and file"),
        pytest.param([b"this is no archive"], id="garbage"),
        pytest.param([gzip.compress(b"garbage")], id="compressed garbage"),
        pytest.param([gzip.compress(entry("a", data=b"x" * 9000))[:60]], id="cut off"),
    ],
)
def test_what_could_lead_out_of_the_layer_is_refused(
    tmp_path: Path, target: Path, entries: list[bytes]
) -> None:
    (tmp_path / "secret").write_text("secret")
    blob = layer(tmp_path, *entries)

    with pytest.raises(LayerError):
        unpack_layer(blob, target)

    assert not (tmp_path / "evil").exists()
    assert not (target.parent / "evil").exists()


def test_a_layer_without_entries_is_fine(tmp_path: Path, target: Path) -> None:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    blob = tmp_path / "blob"
    blob.write_bytes(buffer.getvalue())

    assert not unpack_layer(blob, target)
