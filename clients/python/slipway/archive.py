"""Packs a source folder into a tar.gz whose bytes follow from its content alone: no times, owners or order.

The same content therefore has the same digest, and is uploaded once. It judges nothing about the source but
what could not arrive: that is the builder's duty.
"""

import gzip
import hashlib
import os
import re
import stat
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self, cast

from pathspec import GitIgnoreSpec

from slipway.errors import InvalidInputError

IGNORE_FILE: Final = ".slipwayignore"
IGNORED: Final = (".git", ".venv", "__pycache__", "*.pyc", ".slipway")
"""Left out unless `.slipwayignore` brings it back; the builder leaves out the same."""
_COMPRESSION: Final = 1
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A packed source in a temporary file, which goes when the archive is closed; use it with `with`."""

    file: IO[bytes]
    digest: str
    size: int
    files: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def name_of(folder: Path) -> str:
    """Return the name of the folder as a valid deployment id.

    Raises:
        InvalidInputError: nothing valid is left of it.
    """
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    name = name[:_LONGEST_NAME].strip("-")
    if not name:
        raise InvalidInputError(f"no deployment name follows from the folder {folder}", hint="Give --name.")
    return name


def pack(folder: Path) -> Archive:
    """Pack everything below `folder` that `.slipwayignore` leaves; blocks, so run it in a thread.

    Lines of `.slipwayignore` are those of a `.gitignore`; `!.venv` brings back what is left out otherwise.
    Empty folders are left out.

    Raises:
        InvalidInputError: it is no readable folder, is empty, or holds what no archive can carry.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"{folder} is no folder", hint="Give the folder that holds slipway.yaml.")
    with ExitStack() as closing:
        file = closing.enter_context(tempfile.TemporaryFile(prefix="slipway-source-"))
        try:
            archive = _packed(folder, file)
        except OSError as error:
            fact = f"{error.filename or folder} cannot be packed: {error.strerror or error}"
            raise InvalidInputError(fact) from error
        closing.pop_all()
    return archive


def _packed(folder: Path, file: IO[bytes]) -> Archive:
    members = _members(folder)
    if not members:
        raise InvalidInputError(f"{folder} holds nothing to deploy", hint=f"Look at its {IGNORE_FILE}.")
    hashing = _Hashing(file)
    sink = cast("IO[bytes]", hashing)
    with (
        gzip.GzipFile("", mode="wb", fileobj=sink, compresslevel=_COMPRESSION, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in members:
            _add(tar, path, path.relative_to(folder).as_posix())
    size = file.tell()
    file.seek(0)
    return Archive(file=file, digest=f"sha256:{hashing.hexdigest()}", size=size, files=len(members))


def _members(folder: Path) -> list[Path]:
    ignored = _ignored(folder)
    members: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        here = Path(root)
        inside = here.relative_to(folder).as_posix() + "/" if here != folder else ""
        links = [each for each in folders if (here / each).is_symlink()]
        folders[:] = [
            each for each in folders if each not in links and not ignored.match_file(f"{inside}{each}/")
        ]
        members += [here / each for each in files + links if not ignored.match_file(inside + each)]
    return sorted(members, key=lambda path: path.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error


def _ignored(folder: Path) -> GitIgnoreSpec:
    written = folder / IGNORE_FILE
    lines = _lines(written) if os.path.lexists(written) else []
    for number, line in enumerate(lines, start=1):
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError as error:
            raise InvalidInputError(
                f"{written}:{number}: {line!r} is no pattern", hint="Write lines as in a .gitignore."
            ) from error
    return GitIgnoreSpec.from_lines([*IGNORED, *lines])


def _lines(written: Path) -> list[str]:
    try:
        return written.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        byte = f"byte {error.start} is {error.object[error.start]:#04x}"
        raise InvalidInputError(
            f"{written}:{number}: this is no UTF-8 text: {byte}", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InvalidInputError(
            f"{written} cannot be read: {error.strerror or error}",
            hint="It says what to leave out: make it a readable file, or remove it.",
        ) from error


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = 0
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        tar.addfile(member)
    elif stat.S_ISREG(mode):
        member.mode = 0o755 if mode & stat.S_IXUSR else 0o644
        with path.open("rb") as content:
            member.size = os.fstat(content.fileno()).st_size
            tar.addfile(member, content)
    else:
        raise InvalidInputError(
            f"{path} is neither a file nor a link", hint=f"Name it in {IGNORE_FILE}, or remove it."
        )


class _Hashing:
    """A writer that hashes what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
