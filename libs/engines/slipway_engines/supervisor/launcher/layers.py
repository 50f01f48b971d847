"""Unpacks one layer of an image into a folder, and nothing outside of it.

Owners, special bits and extended attributes are not kept; files lose their write bits, for many images share
them.
"""

import os
import tarfile
from pathlib import Path, PurePosixPath

WHITEOUT = ".wh."
_GZIP = b"\x1f\x8b"
_PLAIN_MAGIC_AT = 257
_PLAIN_MAGIC = b"ustar"


class LayerError(Exception):
    """A layer holds what no layer may hold, or cannot be read as one."""


def unpack_layer(blob: Path, folder: Path) -> bool:
    """Unpack a tar archive, plain or gzip, into an empty folder; say whether it holds whiteouts.

    Raises:
        LayerError: it is no such archive, or it holds an entry that could lead out of the folder.
        OSError: reading or writing failed.
    """
    unpacking = _Unpacking(folder)
    try:
        with tarfile.open(blob, _mode(blob)) as archive:  # type: ignore[call-overload]
            for member in archive:
                unpacking.add(member, archive)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise LayerError(f"layer {blob.name[:12]} is no readable tar archive: {error}") from error
    unpacking.check_links()
    return unpacking.whiteouts


def _mode(blob: Path) -> str:
    with blob.open("rb") as file:
        head = file.read(_PLAIN_MAGIC_AT + len(_PLAIN_MAGIC))
    if head.startswith(_GZIP):
        return "r|gz"
    if head[_PLAIN_MAGIC_AT:] == _PLAIN_MAGIC or not head.strip(b"\0"):
        return "r|"
    raise LayerError(
        f"layer {blob.name[:12]} is neither a tar archive nor gzip; other kinds cannot be unpacked"
    )


class _Unpacking:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: list[Path] = []
        self._folders = {folder}
        self.whiteouts = False

    def add(self, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        target = self._target(member.name)
        if target == self._folder:
            return
        self._make_parents(target.parent)
        self.whiteouts = self.whiteouts or target.name.startswith(WHITEOUT)
        if member.isdir():
            self._make_folder(target)
        elif member.isreg():
            self._write(member, archive, target)
        elif member.issym():
            self._link(member, target)
        elif member.islnk():
            self._hard_link(member, target)
        else:
            raise LayerError(
                f"{member.name} is a device or a pipe; a layer holds files, folders and links only"
            )

    def check_links(self) -> None:
        """Follow each symbolic link: lexical rules alone do not see a link that leads out through another."""
        root = os.path.realpath(self._folder)
        for link in self._links:
            if not f"{os.path.realpath(link)}/".startswith(f"{root}/"):
                raise LayerError(f"{link.relative_to(self._folder)} is a link that leads out of its layer")

    def _target(self, name: str) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise LayerError(f"{name} does not stay inside its layer")
        return self._folder / path

    def _make_parents(self, folder: Path) -> None:
        """Make the folders above an entry, and refuse to write through a symbolic link."""
        if folder in self._folders:
            return
        self._make_parents(folder.parent)
        self._make_folder(folder)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders:
            return
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise LayerError(
                f"{folder.relative_to(self._folder)} is a folder and something else in one layer"
            )
        folder.mkdir(exist_ok=True)
        self._folders.add(folder)

    def _write(self, member: tarfile.TarInfo, archive: tarfile.TarFile, target: Path) -> None:
        source = archive.extractfile(member)
        if source is None:
            raise LayerError(f"{member.name} has no content")
        self._make_room(target)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o444 | (member.mode & 0o111)
        with os.fdopen(os.open(target, flags, mode), "wb") as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)
        os.utime(target, (member.mtime, member.mtime))

    def _link(self, member: tarfile.TarInfo, target: Path) -> None:
        if member.linkname.startswith("/"):
            raise LayerError(f"{member.name} is a link to {member.linkname}, outside of its layer")
        self._make_room(target)
        target.symlink_to(member.linkname)
        self._links.append(target)

    def _hard_link(self, member: tarfile.TarInfo, target: Path) -> None:
        source = self._target(member.linkname)
        if source.parent not in self._folders or source.is_symlink() or not source.is_file():
            raise LayerError(
                f"{member.name} is a hard link to {member.linkname}, which is no file of its layer"
            )
        self._make_room(target)
        os.link(source, target)

    def _make_room(self, target: Path) -> None:
        """A later entry of the same name replaces an earlier one."""
        if target in self._folders:
            raise LayerError(
                f"{target.relative_to(self._folder)} is a folder and something else in one layer"
            )
        target.unlink(missing_ok=True)
