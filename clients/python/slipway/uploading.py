"""Uploads a source folder on behalf of a command, and says so."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.archive import pack
from slipway.rendering import spoken_size

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation


async def upload(invocation: "Invocation", slipway: "Slipway", folder: Path) -> str:
    """Pack and upload a folder, and return its digest.

    Raises:
        InvalidInputError: the folder cannot be packed.
    """
    with await asyncio.to_thread(pack, folder) as archive:
        sent = await slipway.upload(archive)
    if not invocation.as_json:
        files = "1 file" if archive.files == 1 else f"{archive.files} files"
        what = "uploaded" if sent else "unchanged since an earlier upload"
        invocation.terminal.say(f"Source {folder}: {files}, {spoken_size(archive.size)}, {what}.")
    return archive.digest
