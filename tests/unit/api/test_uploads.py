"""Uploads on a blob store that has no space left, and on one that another process shares."""

from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.installation.holdings import Holdings
from slipway_api.installation.uploads import Uploads
from slipway_api.refusing import artifact_problems, problems
from slipway_chassis.blobs import BlobStore, FilesystemBlobStore
from slipway_chassis.errors import StorageFullError
from slipway_store.queries import Reads

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


class OvertakenStore(FilesystemBlobStore):
    """Gets the bytes from another process once it has said that they are not there."""

    async def exists(self, digest: str) -> bool:
        del digest
        await self.put(body())
        return False


class Nothing(Holdings):
    """No group has anything."""

    async def has(self, group: str, digest: str) -> bool:
        del group, digest
        return False


def uploads(blobs: BlobStore, *, largest: int) -> Uploads:
    """Return uploads that have nobody to tell: there is nothing to be told."""
    holdings = Nothing(directory=cast("Directory", None), reads=cast("Reads", None))
    return Uploads(blobs=blobs, holdings=holdings, configuring=cast("Configuring", None), largest=largest)


async def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    full = uploads(FullStore(tmp_path), largest=100)

    with pytest.raises(problems.StorageFullError) as refused:
        await full.put("default", DIGEST, body(), by="ada", announced=None)

    assert refused.value.status == 507
    assert "free disk space" in refused.value.hint


async def test_the_announced_size_is_checked_before_a_byte_is_read(tmp_path: Path) -> None:
    with pytest.raises(problems.BodyTooLargeError) as refused:
        await uploads(FullStore(tmp_path), largest=5).put("default", DIGEST, body(), by="ada", announced=10)

    assert refused.value.members == {"size_bytes": 10, "largest_bytes": 5}


async def test_bytes_that_others_store_meanwhile_are_shown_all_the_same(tmp_path: Path) -> None:
    store = OvertakenStore(tmp_path)
    digest = await store.put(body())

    async def guessed() -> AsyncIterator[bytes]:
        yield b"what is it?"

    with pytest.raises(artifact_problems.DigestMismatchError):
        await uploads(store, largest=100).put("default", digest, guessed(), by="eve", announced=None)
