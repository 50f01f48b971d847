"""A build on a disk without space, and the next one when there is some again."""

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contract.engines.images import tar_of
from servers import can_mount
from slipway_chassis.blobs import FilesystemBlobStore

SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from slipway_builder.making.source_build import SourceBuild
from slipway_builder.installing.dependencies import Installer
from slipway_builder.journal.failures import failure_of
from slipway_builder.installing.host_base import host_base
from slipway_builder.source.source_archive import ArchiveLimits
from slipway_builder.journal.steps import Steps
from slipway_builder.making.work_folders import WorkFolders
from slipway_chassis.blobs import FilesystemBlobStore

async def publish(_):
    pass

async def build(folders, blobs, work, source):
    steps = Steps(
        group="default", deployment="digits", build="01890000-0000-7000-8000-000000000001",
        publish=publish, line=lambda _: None,
    )
    async with folders.folder() as folder:
        try:
            await SourceBuild(
                source=source, folder=folder, blobs=blobs, limits=ArchiveLimits(), steps=steps,
                installer=Installer(base=host_base(), cache=work / "uv"),
            ).run()
        except Exception as error:
            failure = failure_of(error)
            return [failure.reason, failure.message, failure.hint]
    return "made"

async def main(disk, store, source):
    blobs, work = FilesystemBlobStore(store), disk / "builder"
    filler = disk / "filler"
    filler.write_bytes(bytes(3 << 20))
    with WorkFolders.open(work) as folders:
        first = await build(folders, blobs, work, source)
        left = [str(each) for each in work.glob("builder-*/*") if each.name != "lock"]
        filler.unlink()
        print(json.dumps([first, left, await build(folders, blobs, work, source)]))

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
"""
GREET = "endpoints:\n  - name: greet\n    server-command: python greet.py $PORT\n"


async def built_on_a_small_disk(disk: Path, store: Path, source: str) -> Any:
    mount = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" -c "$3" "$1" "$4" "$5"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh"]
    process = await asyncio.create_subprocess_exec(
        *(*command, str(disk), sys.executable, SCRIPT, str(store), source), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return json.loads(output)


async def stored(blobs: FilesystemBlobStore, size: int) -> str:
    files: dict[str, str | bytes] = {"slipway.yaml": GREET, "greet.py": "pass", "model.bin": os.urandom(size)}

    async def archive() -> AsyncIterator[bytes]:
        yield gzip.compress(tar_of(files))

    return await blobs.put(archive())


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
async def test_a_full_disk_fails_the_build_with_its_name_and_the_next_build_works(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    ours = FilesystemBlobStore(tmp_path / "blobs")

    first, left, second = await built_on_a_small_disk(disk, tmp_path / "blobs", await stored(ours, 2 << 20))

    reason, message, hint = first
    assert reason == "DiskFull"
    assert message.startswith(f"no space left on the disk of {disk / 'builder'}")
    assert hint.startswith("Free space on that disk")
    assert left == []
    assert second == "made"
