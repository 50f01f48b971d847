"""The filesystem blob store: whole or not at all, checked, repeatable."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eventually import eventually
from slipway_chassis.blobs import CHUNK, FilesystemBlobStore
from slipway_chassis.errors import BlobError, BlobMissingError, DigestMismatchError

HELLO = b"hello, blob"
LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(store: FilesystemBlobStore, digest: str, *, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in store.open(digest, offset=offset)])


def leftovers(store: FilesystemBlobStore) -> list[Path]:
    folder = store.path_of(digest_of(b"")).parents[2] / "tmp"
    return list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def store(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path / "a folder" / "blobs")


async def test_stored_stream_comes_back_under_its_digest(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(b"hello, ", b"blob"))

    assert digest == digest_of(HELLO)
    assert await read(store, digest) == HELLO
    assert await read(store, digest, offset=7) == b"blob"
    assert await store.size(digest) == len(HELLO)
    assert await store.exists(digest)
    assert leftovers(store) == []


async def test_blob_larger_than_a_chunk_comes_in_chunks(store: FilesystemBlobStore) -> None:
    data = os.urandom(2 * CHUNK + 17)

    digest = await store.put(stream(data), expected=digest_of(data))

    sizes = [len(chunk) async for chunk in store.open(digest)]
    assert sizes == [CHUNK, CHUNK, 17]
    assert await read(store, digest) == data


async def test_empty_stream_is_a_blob_too(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream())

    assert await read(store, digest) == b""


async def test_stream_that_is_not_what_was_announced_is_refused_and_leaves_nothing(
    store: FilesystemBlobStore,
) -> None:
    with pytest.raises(DigestMismatchError, match="send them again"):
        await store.put(stream(b"something else"), expected=digest_of(HELLO))

    assert not await store.exists(digest_of(HELLO))
    assert not await store.exists(digest_of(b"something else"))
    assert leftovers(store) == []


async def test_stream_that_breaks_leaves_nothing(store: FilesystemBlobStore) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise ConnectionError("the client went away")

    with pytest.raises(ConnectionError):
        await store.put(broken())

    assert leftovers(store) == []


async def test_storing_again_writes_nothing(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))
    before = store.path_of(digest).stat()

    await store.put(stream(HELLO))
    await store.put(stream(b"never read"), expected=digest)

    after = store.path_of(digest).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert leftovers(store) == []


async def test_fifty_writers_of_one_blob_all_succeed(store: FilesystemBlobStore) -> None:
    data = os.urandom(CHUNK)

    digests = await asyncio.gather(*(store.put(stream(data[:1000], data[1000:])) for _ in range(50)))

    assert set(digests) == {digest_of(data)}
    assert await read(store, digests[0]) == data
    assert leftovers(store) == []


async def test_missing_blob_is_named(store: FilesystemBlobStore) -> None:
    digest = digest_of(b"never stored")

    with pytest.raises(BlobMissingError, match=digest):
        await read(store, digest)
    with pytest.raises(BlobMissingError, match=digest):
        await store.size(digest)
    with pytest.raises(BlobMissingError, match=digest):
        await store.as_file(digest).__aenter__()
    assert not await store.exists(digest)


async def test_deleted_blob_is_gone_and_may_be_deleted_again(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))

    await store.delete(digest)
    await store.delete(digest)

    assert not await store.exists(digest)


async def test_a_blob_that_nobody_claimed_since_is_reclaimed(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))

    assert await store.reclaim(digest, unclaimed_since=LATER)
    assert not await store.exists(digest)
    assert await store.reclaim(digest, unclaimed_since=LATER)


async def test_a_blob_stored_since_is_not_reclaimed(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))

    assert not await store.reclaim(digest, unclaimed_since=EARLIER)
    assert await read(store, digest) == HELLO


CLAIMS = {
    "claim": lambda store: store.claim(digest_of(HELLO)),
    "put": lambda store: store.put(stream(HELLO)),
    "put of what was announced": lambda store: store.put(stream(), expected=digest_of(HELLO)),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
async def test_whoever_relies_on_a_stored_blob_keeps_it_from_being_reclaimed(
    store: FilesystemBlobStore, claim: Callable[[FilesystemBlobStore], Awaitable[object]]
) -> None:
    digest = await store.put(stream(HELLO))
    path = store.path_of(digest)
    stored_at = path.stat().st_ctime

    async def claimed_later() -> bool:
        assert await claim(store)
        return path.stat().st_ctime > stored_at + 0.005

    await eventually(claimed_later)
    since = datetime.fromtimestamp(stored_at + 0.002, tz=UTC)

    assert not await store.reclaim(digest, unclaimed_since=since)
    assert await store.exists(digest)


async def test_a_claim_of_what_is_not_stored_fails(store: FilesystemBlobStore) -> None:
    assert not await store.claim(digest_of(HELLO))


async def test_claims_and_reclaims_at_once_never_leave_a_claim_without_its_blob(
    store: FilesystemBlobStore,
) -> None:
    """Each claim that succeeded after the moment of a reclaim finds its blob."""
    digests = [await store.put(stream(bytes([number]))) for number in range(100)]

    async def claimed(digest: str) -> bool:
        return await store.claim(digest)

    async def reclaimed(digest: str) -> bool:
        return await store.reclaim(digest, unclaimed_since=datetime.now(UTC))

    for digest in digests:
        kept, gone = await asyncio.gather(claimed(digest), reclaimed(digest))
        assert await store.exists(digest) == (not gone)
        assert kept or gone


@pytest.mark.parametrize("digest", ["", "sha256:", "md5:00", "sha256:" + "Z" * 64, "../../etc/passwd"])
async def test_what_is_no_digest_is_refused(store: FilesystemBlobStore, digest: str) -> None:
    with pytest.raises(BlobError, match="is no digest"):
        await store.exists(digest)


async def test_reference_means_the_last_digest_it_was_set_to(store: FilesystemBlobStore) -> None:
    first, second = await store.put(stream(b"1")), await store.put(stream(b"2"))

    await store.set_ref("layer-of-requirements", first)
    await store.set_ref("layer-of-requirements", second)

    assert await store.get_ref("layer-of-requirements") == second
    assert await store.get_ref("never-set") is None
    assert leftovers(store) == []


async def test_reference_to_a_deleted_blob_means_nothing(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))
    await store.set_ref("cache", digest)

    await store.delete(digest)

    assert await store.get_ref("cache") is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
async def test_reference_name_that_leaves_the_folder_is_refused(
    store: FilesystemBlobStore, name: str
) -> None:
    digest = await store.put(stream(HELLO))

    with pytest.raises(BlobError, match="cannot name a blob"):
        await store.set_ref(name, digest)


async def test_stored_blob_cannot_be_written_by_accident(store: FilesystemBlobStore) -> None:
    digest = await store.put(stream(HELLO))

    assert store.path_of(digest).stat().st_mode & 0o222 == 0
