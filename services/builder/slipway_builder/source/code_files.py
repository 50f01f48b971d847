"""Decides which files of a source go into the code layer, and which into layers of their own."""

import difflib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec
from slipway_contracts.manifest import Manifest

from slipway_builder.images.layers import Entry
from slipway_builder.source.source_archive import SourceTree

IGNORE_FILE: Final = ".slipwayignore"
IGNORED: Final = (".git", ".venv", "__pycache__", "*.pyc", ".slipway")
"""Left out unless `.slipwayignore` brings it back; the client uploads nothing of it either."""
# In a layer the name `.wh.x` says that x of a lower layer is deleted.
_NEVER: Final = (".wh.*", IGNORE_FILE)


class EndpointFileMissingError(Exception):
    """An endpoint names a file that the source does not have."""

    def __init__(self, endpoint: str, path: str, known: Iterable[str]) -> None:
        self.endpoint = endpoint
        close = difflib.get_close_matches(path, list(known), n=1, cutoff=0.6)
        nearest = f"; did you mean {close[0]!r}?" if close else ""
        super().__init__(f"endpoint {endpoint} names the file {path!r}, which is not in the source{nearest}")


class SourceFiles:
    """The files of one source, shared out between layers."""

    def __init__(self, tree: SourceTree, manifest: Manifest) -> None:
        self._tree = tree
        self._entries = [_entry(tree.root, each.path, executable=each.executable) for each in tree.files]
        self._links = [Entry(path=each.path, link=each.target) for each in tree.links]
        self._own = {
            posixpath.normpath(file.path): endpoint.name
            for endpoint in manifest.endpoints
            for file in endpoint.files
        }

    @property
    def root(self) -> Path:
        """The folder of the source."""
        return self._tree.root

    def all(self) -> list[Entry]:
        """Return every file and link."""
        return [*self._entries, *self._links]

    def check(self) -> None:
        """Make sure that every file which an endpoint names is there.

        Raises:
            EndpointFileMissingError: naming the endpoint and the file closest to what it says.
        """
        for path, endpoint in self._own.items():
            if not self.of(path):
                raise EndpointFileMissingError(endpoint, path, (each.path for each in self._entries))

    def of(self, path: str) -> list[Entry]:
        """Return the file at this path, or all files of the folder; a link counts as what it leads to."""
        inside = posixpath.normpath(path)
        if any(link.path == inside for link in self._links):
            return self._behind(inside)
        return [entry for entry in self.all() if _is_within(entry.path, inside)]

    def code(self) -> list[Entry]:
        """Return everything that is neither ignored nor a file of an endpoint."""
        ignore = self._tree.root / IGNORE_FILE
        lines = ignore.read_text(encoding="utf-8", errors="replace").splitlines() if ignore.is_file() else []
        spec = GitIgnoreSpec.from_lines([*IGNORED, *lines, *_NEVER])
        return [
            entry
            for entry in self.all()
            if not spec.match_file(entry.path) and not any(_is_within(entry.path, own) for own in self._own)
        ]

    def fingerprint(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        """Return what tells these entries from any others: paths, modes and contents."""
        digests = {each.path: each.sha256 for each in self._tree.files}
        return tuple(
            f"{entry.path}\0{entry.executable}\0{entry.link or self._digest(entry, digests)}"
            for entry in sorted(entries, key=lambda each: each.path)
        )

    def _behind(self, link: str) -> list[Entry]:
        root = self._tree.root.resolve()
        end = (root / link).resolve().relative_to(root).as_posix()
        return [
            replace(entry, path=link + entry.path.removeprefix(end))
            for entry in self._entries
            if _is_within(entry.path, end)
        ]

    def _digest(self, entry: Entry, digests: dict[str, str]) -> str:
        real = entry.file.relative_to(self._tree.root).as_posix() if entry.file else entry.path
        return digests[real]


def _entry(root: Path, path: str, *, executable: bool) -> Entry:
    return Entry(path=path, file=root / path, executable=executable)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
