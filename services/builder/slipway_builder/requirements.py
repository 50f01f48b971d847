"""Reads what a source says it requires, and refuses what would run foreign code while it is installed.

Wheels only: a source distribution, an editable install or a repository would run its build script here. The
result is one flat text, which also names the dependency layer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

DEFAULT_FILE: Final = "requirements.txt"
_MAX_FILES: Final = 32
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


def read_requirements(root: Path, given: str | tuple[str, ...] | None) -> Requirements | None:
    """Return the requirements of a source: a list, a file's path, or `requirements.txt` if there is one.

    Raises:
        RequirementsError: the file is missing, lies outside the source, includes too many others, or asks for
            what would have to be built.
    """
    if given is None and not (root / DEFAULT_FILE).is_file():
        return None
    if isinstance(given, tuple):
        lines = tuple(_flat(root, "\n".join(given), "the manifest", depth=[]))
    else:
        lines = tuple(_included(root, given or DEFAULT_FILE, depth=[]))
    if not any(not line.startswith("-") for line in lines):
        return None
    return Requirements(lines=lines, uses_source=any(_in_source(line) for line in lines))


def _included(root: Path, name: str, depth: list[str]) -> Iterator[str]:
    if name in depth or len(depth) >= _MAX_FILES:
        raise RequirementsError(f"{name} includes itself, or too many files include each other")
    text = _text(root, name)
    yield from _flat(root, text, name, depth=[*depth, name])


def _flat(root: Path, text: str, origin: str, *, depth: list[str]) -> Iterator[str]:
    for raw in _CONTINUED.sub(" ", text).splitlines():
        line = _COMMENT.sub("", raw).strip()
        include = _INCLUDE.fullmatch(line)
        if include:
            folder = PurePosixPath(depth[-1]).parent if depth else PurePosixPath()
            yield from _included(root, str(folder / include[1].strip()), depth)
        elif line:
            _refuse(line, origin)
            yield line


def _refuse(line: str, origin: str) -> None:
    if _BUILDS.match(line) or _REPOSITORY.search(line):
        raise RequirementsError(
            f"{origin}: {line!r} would run a build script; only wheels are installed. Publish a wheel and "
            "require that, or put the code into the source"
        )
    if _CONSTRAINT.match(line):
        raise RequirementsError(f"{origin}: {line!r}: constraint files are not supported; pin in place")
    place = line.partition(";")[0].split("#")[0].strip()
    if _PLACE.search(line) and not line.startswith("-") and not place.endswith(".whl"):
        raise RequirementsError(f"{origin}: {line!r} is no wheel; only files that end in .whl are installed")


def _in_source(line: str) -> bool:
    return not line.startswith("-") and ".whl" in line and "://" not in line


def _text(root: Path, name: str) -> str:
    path = (root / name).resolve()
    if root.resolve() not in path.parents:
        raise RequirementsError(f"the requirements file {name!r} lies outside the source")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise RequirementsError(f"the requirements file {name!r} is not in the source") from None
    except UnicodeDecodeError as error:
        raise RequirementsError(f"the requirements file {name!r} is no UTF-8 text: {error}") from error
