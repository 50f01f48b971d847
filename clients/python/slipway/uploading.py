"""Uploads a source folder on behalf of a command, and says so."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.archive import pack
from slipway.errors import InvalidInputError
from slipway.manifest_check import MANIFESTS, check
from slipway.rendering import counted, spoken_size

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation


async def upload(invocation: "Invocation", slipway: "Slipway", folder: Path) -> str:
    """Pack and upload a folder, and return its digest.

    Raises:
        InvalidInputError: the folder has no manifest, or one with an error, or cannot be packed.
    """
    await asyncio.to_thread(_require_manifest, folder)
    await asyncio.to_thread(check, folder, await slipway.manifest_schema())
    with await asyncio.to_thread(pack, folder) as archive:
        sent = await slipway.upload(archive)
    if not invocation.as_json:
        files = counted(archive.files, "file")
        what = "uploaded" if sent else "unchanged since an earlier upload"
        invocation.terminal.say(f"Source {folder}: {files}, {spoken_size(archive.size)}, {what}.")
    return archive.digest


def _require_manifest(folder: Path) -> None:
    if not folder.is_dir():
        raise InvalidInputError(f"{folder} is no folder", hint="Give the folder that holds slipway.yaml.")
    if not any((folder / name).is_file() for name in MANIFESTS):
        raise InvalidInputError(
            f"{folder} has no {' and no '.join(MANIFESTS)}, so nothing was uploaded",
            hint="Give the folder that holds one; docs/manifest.md says what goes into it.",
        )
