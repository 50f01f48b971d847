"""Deletes what nobody needs any more: files of replicas that ended, images and layers that no replica uses.

Nothing here is lost for good: an image is unpacked again from the blob store when it is needed again.
"""

import asyncio
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from slipway_engines.supervisor.launcher.launch_config import LaunchConfig
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.settings import SupervisorSettings


async def tidy(files: ProgramFiles, settings: SupervisorSettings) -> None:
    """Delete what was not needed for as long as the settings say.

    Raises:
        EngineUnavailableError: the files cannot be changed.
    """
    trash = Path(files.layout.root) / f"trash-{secrets.token_hex(8)}"
    # Under the lock no new replica can come to need what is being taken away.
    async with files.lock():
        files.forget_unwished_secrets()
        _throw_away([*_unneeded(files, settings), *_half_written(files)], trash)
    await asyncio.to_thread(_empty, trash.parent)


def _throw_away(paths: list[Path], trash: Path) -> None:
    if paths:
        trash.mkdir()
    for path in paths:
        path.rename(trash / f"{path.parent.name}-{path.name}")


def _empty(root: Path) -> None:
    """Delete all trash, also what somebody left who was interrupted here."""
    for each in root.glob("trash-*"):
        shutil.rmtree(each, ignore_errors=True)


def _half_written(files: ProgramFiles) -> Iterator[Path]:
    """Return what those left who were killed while they wrote a wish down. Only under the lock."""
    return Path(files.layout.programs).glob(".*.tmp")


def _unneeded(files: ProgramFiles, settings: SupervisorSettings) -> list[Path]:
    old = files.dismissed_before(time.time() - settings.keep_ended.total_seconds())
    kept = [each for each in files.known() if each not in old]
    return [*_files_of(files, old), *_old_images(files, settings, kept)]


def _files_of(files: ProgramFiles, programs: Iterable[Program]) -> Iterator[Path]:
    for program in programs:
        record = Path(files.layout.record_file(program.name))
        yield from (each for each in (record, record.with_name(f"{record.name}.tmp")) if each.exists())
        yield Path(files.layout.replica_folder(program.name))


def _old_images(
    files: ProgramFiles, settings: SupervisorSettings, programs: Iterable[Program]
) -> Iterator[Path]:
    oldest = time.time() - settings.keep_images.total_seconds()
    configs = [config for each in programs if (config := files.config(each)) is not None]
    used = {name for config in configs for name in _used_by(config)}
    for folder in (Path(files.layout.images), Path(files.layout.layers)):
        yield from _unused(folder, used, oldest)


def _used_by(config: LaunchConfig) -> Iterator[str]:
    image: dict[str, Any] = config.image
    for part in (image, *image.get("layers", ())):
        yield str(part["digest"]).partition(":")[2]


def _unused(folder: Path, used: Iterable[str], oldest: float) -> Iterator[Path]:
    """Return everything of each digest that nobody uses; locks stay, for somebody may wait for one."""
    if not folder.exists():
        return
    for path in folder.iterdir():
        named = path.name.removesuffix(".json")
        if named not in used and not path.name.endswith(".lock") and path.lstat().st_ctime < oldest:
            yield path
