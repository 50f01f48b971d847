"""Unpacking uploaded archives: what is kept, and that nothing reaches beyond the folder."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slipway_builder.source.source_archive import ArchiveLimits, ArchiveRefusedError, SourceTree, unpack
from slipway_builder.stop_flag import StopFlag, StoppedError

Member = tuple[str, bytes | None, dict[str, Any]]


def packed(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=format) as tar:
        for name, content, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def file(name: str, content: bytes = b"x", **fields: Any) -> Member:
    return name, content, fields


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return name, None, {"type": kind, "linkname": target}


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[..., SourceTree]:
    root = tmp_path / "source"
    root.mkdir()
    (tmp_path / "secret").write_text("not yours")

    def run(data: bytes, stop: StopFlag | None = None, **limits: int) -> SourceTree:
        archive = tmp_path / "a.tar.gz"
        archive.write_bytes(data)
        return unpack(archive, root, limits=ArchiveLimits(**limits), stop=stop or StopFlag())

    return run


def test_files_folders_links_and_modes_come_out(unpacked: Callable[..., SourceTree]) -> None:
    tree = unpacked(
        packed(
            ("./", None, {"type": tarfile.DIRTYPE}),
            file("./b/run.sh", b"#!/bin/sh", mode=0o755),
            file("a.txt", b"text", mode=0o600),
            link("b/to-a", "../a.txt"),
            link("copy.txt", "a.txt", tarfile.LNKTYPE),
        )
    )

    assert [(each.path, each.size, each.executable) for each in tree.files] == [
        ("a.txt", 4, False),
        ("b/run.sh", 9, True),
        ("copy.txt", 4, False),
    ]
    assert [(each.path, each.target) for each in tree.links] == [("b/to-a", "../a.txt")]
    assert (tree.root / "b/to-a").read_text() == "text"


def test_set_user_id_bits_are_dropped(unpacked: Callable[..., SourceTree]) -> None:
    tree = unpacked(packed(file("tool", mode=0o6755)))

    mode = (tree.root / "tool").stat().st_mode
    assert stat.S_IMODE(mode) & (stat.S_ISUID | stat.S_ISGID) == 0
    assert tree.files[0].executable


def test_a_later_member_of_the_same_name_replaces_the_earlier_one(
    unpacked: Callable[..., SourceTree],
) -> None:
    tree = unpacked(packed(file("a", b"old"), link("b", "a", tarfile.LNKTYPE), file("a", b"new!")))

    assert [(each.path, each.size) for each in tree.files] == [("a", 4), ("b", 3)]
    assert (tree.root / "b").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        (file("../evil"), "climbs out"),
        (file("a/../../evil"), "climbs out"),
        (file("/etc/evil"), "absolute path"),
        (file("."), "named like the source folder"),
        (link("out", "/etc/passwd"), "outside the source"),
        (link("out", "../secret"), "outside the source"),
        (link("deep/out", "../../secret"), "outside the source"),
        (link("out", "../secret", tarfile.LNKTYPE), "climbs out"),
        (link("out", "/etc/passwd", tarfile.LNKTYPE), "absolute path"),
        (link("out", "nowhere", tarfile.LNKTYPE), "no earlier file"),
        (("null", None, {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), "neither a file"),
        (("disk", None, {"type": tarfile.BLKTYPE}), "neither a file"),
        (("pipe", None, {"type": tarfile.FIFOTYPE}), "neither a file"),
        (file("x" * 300), "name too long"),
    ],
)
def test_a_member_that_no_source_may_hold_is_refused_by_name(
    unpacked: Callable[..., SourceTree], tmp_path: Path, member: Member, fact: str
) -> None:
    with pytest.raises(ArchiveRefusedError, match=fact) as caught:
        unpacked(packed(file("fine.txt"), member))

    assert caught.value.member is not None
    assert {entry.name for entry in tmp_path.iterdir()} == {"source", "secret", "a.tar.gz"}


def test_a_file_cannot_be_written_through_a_link(unpacked: Callable[..., SourceTree], tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefusedError, match="is a file or a link, not a folder"):
        unpacked(packed(link("door", ".."), file("door/secret", b"changed")))

    assert (tmp_path / "secret").read_text() == "not yours"


def test_a_chain_of_links_that_leads_out_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    chain = packed(
        ("a/b", None, {"type": tarfile.DIRTYPE}), link("here", "a/b/.."), link("a/up", "../here/../../secret")
    )

    with pytest.raises(ArchiveRefusedError, match="outside the source"):
        unpacked(chain)


def test_a_file_where_a_folder_is_needed_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    with pytest.raises(ArchiveRefusedError, match="not a folder"):
        unpacked(packed(file("a"), file("a/b")))


def test_a_folder_where_a_file_is_needed_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    with pytest.raises(ArchiveRefusedError, match="there is a folder"):
        unpacked(packed(file("a/b"), file("a")))


def test_a_thousandfold_expansion_is_refused_before_it_fills_the_disk(
    unpacked: Callable[..., SourceTree], tmp_path: Path
) -> None:
    bomb = packed(file("zeros", bytes(64 << 20)))

    with pytest.raises(ArchiveRefusedError, match="more than 200 times as many"):
        unpacked(bomb)

    assert (tmp_path / "source" / "zeros").stat().st_size < 24 << 20


def test_an_archive_larger_than_allowed_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    with pytest.raises(ArchiveRefusedError, match="more than the allowed 100000 bytes"):
        unpacked(packed(file("noise", os.urandom(200_000))), max_bytes=100_000)


def test_holes_of_a_sparse_file_count_as_bytes(unpacked: Callable[..., SourceTree]) -> None:
    sparse = packed(
        ("hole", b"0", {"pax_headers": {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}}),
    )

    with pytest.raises(ArchiveRefusedError, match="times as many"):
        unpacked(sparse)


def test_a_header_that_makes_no_sense_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    with pytest.raises(ArchiveRefusedError, match="no intact"):
        unpacked(packed(("hole", b"0", {"pax_headers": {"GNU.sparse.map": "x", "GNU.sparse.size": "3"}})))


def test_too_many_members_are_refused(unpacked: Callable[..., SourceTree]) -> None:
    with pytest.raises(ArchiveRefusedError, match="more than 3 members"):
        unpacked(packed(*(file(f"f{number}") for number in range(4))), max_members=3)


def test_a_header_that_would_fill_the_memory_is_refused(unpacked: Callable[..., SourceTree]) -> None:
    noise = os.urandom(3 << 20).hex()

    with pytest.raises(ArchiveRefusedError, match="header is longer"):
        unpacked(packed(file("a", pax_headers={"comment": noise})))


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_archive_is_refused(unpacked: Callable[..., SourceTree], kept: float) -> None:
    whole = packed(file("noise", os.urandom(100_000)))

    with pytest.raises(ArchiveRefusedError, match=r"truncated|no intact"):
        unpacked(whole[: int(len(whole) * kept)])


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"PK\x03\x04", gzip.compress(b""), gzip.compress(b"no tar at all" * 100)],
    ids=["nothing", "text", "zip", "gzip of nothing", "gzip of text"],
)
def test_what_is_no_archive_is_refused(unpacked: Callable[..., SourceTree], data: bytes) -> None:
    with pytest.raises(ArchiveRefusedError, match=r"truncated|no intact"):
        unpacked(data)


def test_a_flipped_bit_is_noticed(unpacked: Callable[..., SourceTree]) -> None:
    data = bytearray(packed(file("noise", os.urandom(100_000))))
    data[-6] ^= 1  # in gzip's checksum

    with pytest.raises(ArchiveRefusedError, match="no intact"):
        unpacked(bytes(data))


def test_unpacking_ends_when_it_is_told_to(unpacked: Callable[..., SourceTree]) -> None:
    stop = StopFlag()
    stop.set()

    with pytest.raises(StoppedError):
        unpacked(packed(file("a")), stop)
