"""Uploads a source folder on behalf of a command, and says so."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slipway.archive import Archive, pack
from slipway.errors import InvalidInputError
from slipway.rendering import spoken_size

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation

MANIFESTS: Final = ("slipway.yaml", "valohai.yaml")


async def upload(invocation: "Invocation", slipway: "Slipway", folder: Path) -> str:
    """Pack and upload a folder, and return its digest.

    Raises:
        InvalidInputError: the folder has no manifest, or cannot be packed.
    """
    with await asyncio.to_thread(_packed, folder) as archive:
        sent = await slipway.upload(archive)
    if not invocation.as_json:
        files = "1 file" if archive.files == 1 else f"{archive.files} files"
        what = "uploaded" if sent else "unchanged since an earlier upload"
        invocation.terminal.say(f"Source {folder}: {files}, {spoken_size(archive.size)}, {what}.")
    return archive.digest


def _packed(folder: Path) -> Archive:
    if folder.is_dir() and not any((folder / name).is_file() for name in MANIFESTS):
        raise InvalidInputError(
            f"{folder} has no {' and no '.join(MANIFESTS)}, so nothing was uploaded",
            hint="Give the folder that holds one; docs/manifest.md says what goes into it.",
        )
    return pack(folder)
