"""Uploads on a blob store that has no space left."""

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from slipway_api import problems
from slipway_api.configuring import Configuring
from slipway_api.uploads import Uploads
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.errors import StorageFullError

DIGEST = f"sha256:{1:064x}"


class FullStore(FilesystemBlobStore):
    """Takes some bytes, then has no space."""

    async def put(self, stream: AsyncIterable[bytes], *, expected: str | None = None) -> str:
        del expected
        async for _ in stream:
            raise StorageFullError("no space left below /blobs")
        raise AssertionError("an empty upload needs no space")


async def body() -> AsyncIterator[bytes]:
    yield b"x" * 10


def uploads(folder: Path, *, largest: int) -> Uploads:
    """Return uploads that have nobody to tell: there is nothing to be told."""
    return Uploads(blobs=FullStore(folder), configuring=cast("Configuring", None), largest=largest)


async def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(problems.StorageFullError) as refused:
        await uploads(tmp_path, largest=100).put("default", DIGEST, body(), by="ada", announced=None)

    assert refused.value.status == 507
    assert "free disk space" in refused.value.hint


async def test_the_announced_size_is_checked_before_a_byte_is_read(tmp_path: Path) -> None:
    with pytest.raises(problems.BodyTooLargeError) as refused:
        await uploads(tmp_path, largest=5).put("default", DIGEST, body(), by="ada", announced=10)

    assert refused.value.members == {"size_bytes": 10, "largest_bytes": 5}
