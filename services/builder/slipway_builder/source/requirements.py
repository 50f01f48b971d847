"""Reads what a source says it requires, and refuses what would run foreign code while it is installed.

Wheels only: a source distribution, an editable install or a repository would run its build script here. The
result is one flat text, which also names the dependency layer.
"""

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from slipway_builder.installing.masking import mask_urls
from slipway_builder.stop_flag import StopFlag

DEFAULT_FILE: Final = "requirements.txt"
_MAX_FILES: Final = 32
_MAX_LINES: Final = 10_000
_VARIABLE: Final = "${"  # what the installer would put the value of its own variable for
_PLATFORM_FAULTS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_CONTINUED: Final = re.compile(r"\\\r?\n")
_INCLUDE: Final = re.compile(r"(?:-r|--requirement)(?:\s+|=|(?=\S))(.+)")
_BUILDS: Final = re.compile(r"-e\b|--editable\b|--no-binary\b|--config-settings\b")
_REPOSITORY: Final = re.compile(r"\b(?:git|hg|svn|bzr)\+")
_CONSTRAINT: Final = re.compile(r"(?:-c|--constraint)\b")
_PLACE: Final = re.compile(r"^(?:\.{1,2}$|\.{0,2}/|file:|[\w.-]+/)|(?:^|@\s*)(?:https?|file):")


class RequirementsError(Exception):
    """The requirements cannot be used as they are written."""


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Flat lines of requirements, and whether they name files of the source itself."""

    lines: tuple[str, ...]
    uses_source: bool = False

    @property
    def text(self) -> str:
        """The lines as one requirements file."""
        return "".join(f"{line}\n" for line in self.lines)


def read_requirements(
    root: Path, given: str | tuple[str, ...] | None, *, stop: StopFlag
) -> Requirements | None:
    """Return the requirements of a source: a list, a file's path, or `requirements.txt` if there is one.

    Raises:
        RequirementsError: a file is missing or lies outside the source, there are too many files or lines, or
            a line asks for what would have to be built or names a variable.
        StoppedError: `stop` was set meanwhile.
    """
    if given is None and not (root / DEFAULT_FILE).is_file():
        return None
    reading = _Reading(root, stop)
    if isinstance(given, tuple):
        lines = tuple(reading.flat("\n".join(given), "the manifest", within=[]))
    else:
        lines = tuple(reading.included(given or DEFAULT_FILE, within=[]))
    if not any(not line.startswith("-") for line in lines):
        return None
    return Requirements(lines=lines, uses_source=any(_in_source(line) for line in lines))


class _Reading:
    """Follows the files that include each other; its bounds are those of all files together."""

    def __init__(self, root: Path, stop: StopFlag) -> None:
        self._root = root
        self._stop = stop
        self._files = 0
        self._lines = 0

    def included(self, name: str, *, within: list[str]) -> Iterator[str]:
        if name in within:
            raise RequirementsError(f"{name} includes itself; take the line out")
        self._files += 1
        if self._files > _MAX_FILES:
            raise RequirementsError(f"more than {_MAX_FILES} requirements files are included; merge some")
        yield from self.flat(_text(self._root, name), name, within=[*within, name])

    def flat(self, text: str, origin: str, *, within: list[str]) -> Iterator[str]:
        for raw in _CONTINUED.sub(" ", text).splitlines():
            self._count_line(origin)
            line = _COMMENT.sub("", raw).strip()
            include = _INCLUDE.fullmatch(line)
            if include:
                folder = PurePosixPath(within[-1]).parent if within else PurePosixPath()
                yield from self.included(str(folder / include[1].strip()), within=within)
            elif line:
                _refuse(line, origin)
                yield line

    def _count_line(self, origin: str) -> None:
        self._stop.check()
        self._lines += 1
        if self._lines > _MAX_LINES:
            raise RequirementsError(f"{origin}: more than {_MAX_LINES} lines are too many; require less")


def _refuse(line: str, origin: str) -> None:
    shown = repr(mask_urls(line))
    if _VARIABLE in line:
        raise RequirementsError(
            f"{origin}: {shown} names a variable; variables are not replaced here. Write the value itself"
        )
    if _BUILDS.match(line) or _REPOSITORY.search(line):
        raise RequirementsError(
            f"{origin}: {shown} would run a build script; only wheels are installed. Publish a wheel and "
            "require that, or put the code into the source"
        )
    if _CONSTRAINT.match(line):
        raise RequirementsError(f"{origin}: {shown}: constraint files are not supported; pin in place")
    place = line.partition(";")[0].split("#")[0].strip()
    if _PLACE.search(line) and not line.startswith("-") and not place.endswith(".whl"):
        raise RequirementsError(f"{origin}: {shown} is no wheel; only files that end in .whl are installed")


def _in_source(line: str) -> bool:
    return not line.startswith("-") and ".whl" in line and "://" not in line


def _text(root: Path, name: str) -> str:
    try:
        path = (root / name).resolve()
        if root.resolve() not in path.parents:
            raise RequirementsError(f"the requirements file {name!r} lies outside the source")
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise RequirementsError(f"the requirements file {name!r} is not in the source") from None
    except UnicodeDecodeError as error:
        raise RequirementsError(f"the requirements file {name!r} is no UTF-8 text: {error}") from error
    except OSError as error:
        if error.errno in _PLATFORM_FAULTS:
            raise
        raise RequirementsError(f"the requirements file {name!r} cannot be read: {error.strerror}") from error
    except (ValueError, RuntimeError) as error:  # a NUL; a loop of links, before Python 3.13
        raise RequirementsError(f"the requirements file {name!r} has no usable path") from error
