"""The blob store on a file system without space."""

import asyncio
import sys
from pathlib import Path

import pytest
from servers import can_mount

SCRIPT = """
import asyncio, os, sys
from pathlib import Path
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.errors import StorageFullError

async def chunks():
    for _ in range(8):
        yield os.urandom(1 << 20)

async def main(root: Path) -> None:
    store = FilesystemBlobStore(root)
    try:
        await store.put(chunks())
    except StorageFullError as error:
        print(error)
    print("left:", len(list((root / "tmp").iterdir())))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
async def test_full_disk_is_reported_with_its_folder_and_leaves_nothing(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, SCRIPT]

    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()

    assert output.decode().splitlines() == [f"no space left below {tmp_path}; free some there", "left: 0"]
