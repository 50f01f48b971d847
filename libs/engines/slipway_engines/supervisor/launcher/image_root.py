"""Lays the layers of an image over one another in a folder, at the cost of a few links.

A folder that stands in one layer only is one symbolic link to it; at and below the working directory every
folder is a real one, so that code that asks for its own place finds its neighbours. Files are hard links.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from slipway_engines.supervisor.launcher.layers import WHITEOUT

OPAQUE = ".wh..wh..opq"
_NO_HARD_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})


class UnpackedLayer:
    """A layer as it lies on this machine."""

    def __init__(self, folder: Path, *, whiteouts: bool) -> None:
        self.folder = folder
        self.whiteouts = whiteouts


def assemble(layers: Sequence[UnpackedLayer], root: Path, *, working_dir: str) -> None:
    """Fill a new folder with the union of these layers, lowest first.

    Raises:
        OSError: writing failed.
    """
    real = PurePosixPath(working_dir.lstrip("/") or ".")
    _Assembly(root, real).merge([(layer, layer.folder) for layer in layers], PurePosixPath())


class _Assembly:
    def __init__(self, root: Path, real: PurePosixPath) -> None:
        self._root = root
        self._real = real

    def merge(self, sources: Sequence[tuple[UnpackedLayer, Path]], at: PurePosixPath) -> None:
        """Make the folder `at` from the folders of that name in these layers, lowest first."""
        target = self._root / at
        if len(sources) == 1 and self._may_be_link(*sources[0], at):
            target.symlink_to(os.path.relpath(sources[0][1], target.parent))
            return
        target.mkdir()
        for name, found in _entries(sources).items():
            path = found[-1][1]
            if _is_folder(path):
                self.merge(found, at / name)
            else:
                _place(path, target / name)

    def _may_be_link(self, layer: UnpackedLayer, folder: Path, at: PurePosixPath) -> bool:
        if at == self._real or self._real in at.parents or at in self._real.parents:
            return False
        return not (layer.whiteouts and any(folder.rglob(f"{WHITEOUT}*")))


def _entries(
    sources: Sequence[tuple[UnpackedLayer, Path]],
) -> dict[str, list[tuple[UnpackedLayer, Path]]]:
    """Return for each visible name where it stands, lowest first; more than one place only for folders."""
    entries: dict[str, list[tuple[UnpackedLayer, Path]]] = {}
    for layer, folder in sources:
        names = sorted(each.name for each in folder.iterdir())
        if OPAQUE in names:
            entries.clear()
        for name in names:
            if name.startswith(WHITEOUT):
                entries.pop(name.removeprefix(WHITEOUT), None)
        for name in (each for each in names if not each.startswith(WHITEOUT)):
            below = entries.get(name, [])
            merges = below and _is_folder(folder / name) and _is_folder(below[-1][1])
            entries[name] = [*(below if merges else ()), (layer, folder / name)]
    return entries


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        shutil.copy2(source, target, follow_symlinks=False)
