"""Makes an image of the blob store usable here: each layer is unpacked once, each image laid out once.

Runs in a child process of the launcher; several may work on the same image at once.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from venv import EnvBuilder

from slipway_engines.supervisor.launcher.image_root import UnpackedLayer, assemble
from slipway_engines.supervisor.launcher.layers import LayerError, unpack_layer

_HEX_AT = len("sha256:")


def prepare(layout: dict[str, str], image: dict[str, Any], working_dir: str) -> dict[str, str] | None:
    """Make sure that the image root and the clean interpreter exist; return the problem if they cannot.

    Args:
        layout: the folders `layers`, `root` (of this image) and `python`.
        image: digest, variables and layers, as the engine planned them.
        working_dir: where the image's command starts, inside the image.
    """
    try:
        _make_python(Path(layout["python"]))
        layers = [
            _layer(Path(layout["layers"]), each["digest"], Path(each["path"])) for each in image["layers"]
        ]
        _make_root(Path(layout["root"]), layers, working_dir)
    except LayerError as error:
        return {"reason": "ImageUnusable", "message": f"image {image['digest']}: {error}"}
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return {
            "reason": "DiskFull" if full else "ImageUnusable",
            "message": f"image {image['digest']} cannot be unpacked: {error}",
        }
    return None


def _layer(folder: Path, digest: str, blob: Path) -> UnpackedLayer:
    name = digest[_HEX_AT:]
    done = folder / f"{name}.json"
    with _sole_maker(folder / f"{name}.lock"):
        if not done.exists():
            with _appearing(folder / name) as temporary:
                whiteouts = unpack_layer(blob, temporary)
            _write(done, json.dumps({"whiteouts": whiteouts}))
    return UnpackedLayer(folder / name, whiteouts=bool(json.loads(done.read_text())["whiteouts"]))


def _make_root(root: Path, layers: list[UnpackedLayer], working_dir: str) -> None:
    with _sole_maker(root.with_name(f"{root.name}.lock")):
        if root.exists():
            return
        with _appearing(root) as temporary:
            temporary.rmdir()
            assemble(layers, temporary, working_dir=working_dir)


def _make_python(folder: Path) -> None:
    """Make a virtual environment that holds nothing: what the platform imports is not for replicas."""
    with _sole_maker(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():
            with _appearing(folder) as temporary:
                EnvBuilder(symlinks=True, with_pip=False).create(temporary)


@contextmanager
def _sole_maker(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a folder to fill that gets its name when it is complete; what a dead maker left is thrown away."""
    temporary = folder.with_name(f".{folder.name}")
    for leftover in (temporary, folder):
        if leftover.exists():
            shutil.rmtree(leftover)
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)
