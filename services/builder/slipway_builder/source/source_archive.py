"""Unpacks an uploaded tar.gz into a folder, and refuses whatever could reach beyond that folder.

It trusts nothing of the archive: names, links, kinds, sizes and the compression itself are checked while the
bytes stream by, so a refused archive never fills the disk or the memory.
"""

import errno
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from isal import igzip, igzip_lib

from slipway_builder.stop_flag import StopFlag

_ISAL_ERROR: Final[type[Exception]] = igzip_lib.IsalError  # type: ignore[assignment]  # stub says instance
_BROKEN: Final = (tarfile.TarError, zlib.error, igzip.BadGzipFile, _ISAL_ERROR)
# What tarfile lets through when the numbers of a header make no sense.
_BAD_NUMBERS: Final = (ArithmeticError, LookupError, ValueError)
_CHUNK: Final = 1 << 20
_HEADER_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """What an archive may cost; all sizes in bytes."""

    max_bytes: int = 16 << 30
    max_members: int = 200_000
    max_ratio: int = 200
    ratio_from_bytes: int = 16 << 20


class ArchiveRefusedError(Exception):
    """The archive is broken or holds something that no source may hold."""

    def __init__(self, fact: str, *, member: str | None = None) -> None:
        self.member = member
        super().__init__(fact if member is None else f"archive member {member!r}: {fact}")


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A regular file of the unpacked source, by its path relative to the source."""

    path: str
    size: int
    executable: bool
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SourceLink:
    """A symbolic link of the unpacked source; its target lies inside the source."""

    path: str
    target: str


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    """Everything an archive held, sorted by path. Empty folders are not kept."""

    root: Path
    files: tuple[SourceFile, ...]
    links: tuple[SourceLink, ...]


def unpack(archive: Path, root: Path, *, limits: ArchiveLimits, stop: StopFlag) -> SourceTree:
    """Unpack into the empty folder `root`; blocks, so run it in a thread.

    Modes are reduced to "executable or not": set-user-id bits, owners and times are dropped. On an error the
    folder holds a part of the source; the caller removes it.

    Raises:
        ArchiveRefusedError: naming the member and what is wrong with it.
        StoppedError: `stop` was set; it is checked between members and between the chunks of a file.
        OSError: the disk refused.
    """
    with archive.open("rb") as packed, _refusing_broken():
        plain = _Inflated(packed, archive.stat().st_size, limits)
        unpacking = _Unpacking(root, plain, limits, stop)
        plain.allow(_HEADER_BYTES)
        with tarfile.open(fileobj=plain, mode="r|") as tar:
            unpacking.run(tar)
        plain.drain()
    return unpacking.tree()


@contextmanager
def _refusing_broken() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise ArchiveRefusedError("the archive is truncated; upload it again") from error
    except (*_BROKEN, *_BAD_NUMBERS) as error:
        raise ArchiveRefusedError(f"this is no intact tar.gz: {error}") from error


class _Inflated(io.RawIOBase):
    """The decompressed stream, which counts what comes out against what the archive weighs."""

    def __init__(self, packed: BinaryIO, weight: int, limits: ArchiveLimits) -> None:
        super().__init__()
        self._stream = igzip.IGzipFile(fileobj=packed, mode="rb")  # type: ignore[no-untyped-call]
        self._weight = max(weight, 1)
        self._limits = limits
        self._allowed: int | None = None
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(_CHUNK if size < 0 else size)
        self.count += len(data)
        self._check()
        return data

    def allow(self, more: int | None) -> None:
        """Let at most `more` further bytes pass until the next call; None: as many as the limits allow."""
        self._allowed = None if more is None else self.count + more

    def drain(self) -> None:
        """Read to the end, where gzip's checksum is compared."""
        self.allow(None)
        while self.read(_CHUNK):
            pass

    def check(self, count: int, *, member: str | None = None) -> None:
        """Refuse an archive that became this many bytes, if its size or its weight does not allow so many."""
        limits = self._limits
        if count > limits.max_bytes:
            raise ArchiveRefusedError(
                f"it unpacks to more than the allowed {limits.max_bytes} bytes", member=member
            )
        if count > limits.ratio_from_bytes and count > self._weight * limits.max_ratio:
            raise ArchiveRefusedError(
                f"its {self._weight} bytes unpack to more than {limits.max_ratio} times as many",
                member=member,
            )

    def _check(self) -> None:
        self.check(self.count)
        if self._allowed is not None and self.count > self._allowed:
            raise ArchiveRefusedError(f"a member's header is longer than {_HEADER_BYTES} bytes")


class _Unpacking:
    """One run over the members of one archive."""

    def __init__(self, root: Path, plain: _Inflated, limits: ArchiveLimits, stop: StopFlag) -> None:
        self._root = root
        self._plain = plain
        self._limits = limits
        self._stop = stop
        self._written = 0
        self._files: dict[str, SourceFile] = {}
        self._links: dict[str, SourceLink] = {}
        self._folders: set[str] = set()

    def run(self, tar: tarfile.TarFile) -> None:
        count = 0
        while (member := self._next(tar)) is not None:
            self._stop.check()
            count += 1
            if count > self._limits.max_members:
                raise ArchiveRefusedError(f"it has more than {self._limits.max_members} members")
            self._take_named(tar, member)
        self._make_links()

    def tree(self) -> SourceTree:
        files = tuple(self._files[path] for path in sorted(self._files))
        links = tuple(self._links[path] for path in sorted(self._links))
        return SourceTree(root=self._root, files=files, links=links)

    def _next(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        self._plain.allow(_HEADER_BYTES)
        member = tar.next()
        self._plain.allow(None)
        tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every member; a million of them is memory for nothing
        return member

    def _take_named(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        try:
            self._take(tar, member)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise
            raise ArchiveRefusedError(f"{os.strerror(error.errno).lower()}", member=member.name) from error

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = _inner_path(member.name)
        if path is None and member.isdir():
            return
        if path is None:
            raise ArchiveRefusedError("it is named like the source folder itself", member=member.name)
        if member.isdir():
            self._make_folder(path, member.name)
        elif member.isreg():
            self._write(tar, member, path)
        elif member.issym():
            self._note_link(member, path)
        elif member.islnk():
            self._copy(member, path)
        else:
            raise ArchiveRefusedError("it is neither a file, a folder nor a link", member=member.name)

    def _make_folder(self, path: str, name: str) -> None:
        for parent in (*reversed(PurePosixPath(path).parents[:-1]), PurePosixPath(path)):
            folder = str(parent)
            if folder in self._files or folder in self._links:
                raise ArchiveRefusedError(f"{folder!r} is a file or a link, not a folder", member=name)
            if folder not in self._folders:
                (self._root / folder).mkdir(exist_ok=True)
                self._folders.add(folder)

    def _free_place(self, path: str, name: str) -> Path:
        parent = str(PurePosixPath(path).parent)
        if parent != ".":
            self._make_folder(parent, name)
        if path in self._folders:
            raise ArchiveRefusedError("there is a folder of this name", member=name)
        place = self._root / path
        place.unlink(missing_ok=True)
        self._files.pop(path, None)
        self._links.pop(path, None)
        return place

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        source = tar.extractfile(member)
        if source is None:
            raise ArchiveRefusedError("it has no content", member=member.name)
        self._store(path, member.name, source.read, executable=bool(member.mode & 0o100))

    def _copy(self, member: tarfile.TarInfo, path: str) -> None:
        target = _inner_path(member.linkname)
        original = self._files.get(target or "")
        if original is None:
            raise ArchiveRefusedError(
                f"it is a hard link to {member.linkname!r}, which is no earlier file of the archive",
                member=member.name,
            )
        if original.path != path:
            with (self._root / original.path).open("rb") as source:
                self._store(path, member.name, source.read, executable=original.executable)

    def _store(self, path: str, name: str, read: Callable[[int], bytes], *, executable: bool) -> None:
        place = self._free_place(path, name)
        digest = hashlib.sha256()
        size = 0
        mode = 0o755 if executable else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(place, flags, mode), "wb") as out:
            while chunk := read(_CHUNK):
                self._stop.check()
                self._written += len(chunk)
                self._plain.check(self._written, member=name)  # a sparse file is more than the stream carried
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self._files[path] = SourceFile(path=path, size=size, executable=executable, sha256=digest.hexdigest())

    def _note_link(self, member: tarfile.TarInfo, path: str) -> None:
        target = PurePosixPath(member.linkname)
        if target.is_absolute() or "\0" in member.linkname:
            raise ArchiveRefusedError(
                f"it links to {member.linkname!r}, outside the source", member=member.name
            )
        self._free_place(path, member.name)
        self._links[path] = SourceLink(path=path, target=member.linkname)

    def _make_links(self) -> None:
        # Links come last: while files are written no link exists that could lead them elsewhere.
        for link in self._links.values():
            (self._root / link.path).symlink_to(link.target)
        root = Path(os.path.realpath(self._root))
        for link in self._links.values():
            end = Path(os.path.realpath(root / link.path))
            if end != root and root not in end.parents:
                raise ArchiveRefusedError(
                    f"it links to {link.target!r}, outside the source", member=link.path
                )


def _inner_path(name: str) -> str | None:
    """Return the path below the source folder, None for that folder itself.

    Raises:
        ArchiveRefusedError: the name is absolute, climbs with `..` or holds a zero byte.
    """
    path = PurePosixPath(name)
    if path.is_absolute():
        raise ArchiveRefusedError("its name is an absolute path", member=name)
    if ".." in path.parts:
        raise ArchiveRefusedError("its name climbs out with '..'", member=name)
    if "\0" in name:
        raise ArchiveRefusedError("its name holds a zero byte", member=name)
    return None if not path.parts else str(path)
