"""Uploads of sources: checked while they stream, stored whole or not at all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from api_world import SOURCE, SOURCE_DIGEST, Api, problem, running_api
from eventually import eventually
from slipway_chassis.connection import Connection

PATH = f"/v1/groups/default/artifacts/{SOURCE_DIGEST}"


def stored_files(api: Api) -> list[Path]:
    root = api.service.settings.blob_root
    return [path for path in root.rglob("*") if path.is_file()]


async def test_an_upload_is_stored_under_its_digest_and_its_repeat_changes_nothing(api: Api) -> None:
    absent = await api.http.head(PATH)
    first = await api.http.put(PATH, content=SOURCE)
    again = await api.http.put(PATH, content=SOURCE)
    there = await api.http.head(PATH)

    assert absent.status_code == 404
    assert first.status_code == 201
    assert first.json() == {"digest": SOURCE_DIGEST, "size_bytes": len(SOURCE)}
    assert again.status_code == 200
    assert there.status_code == 200
    assert there.headers["content-length"] == str(len(SOURCE))
    assert len(stored_files(api)) == 1


async def test_bytes_of_another_digest_are_refused_and_leave_nothing(api: Api) -> None:
    answer = await api.http.put(PATH, content=SOURCE + b"!")

    assert problem(answer, 422, "DigestMismatch")["digest"] == SOURCE_DIGEST
    assert stored_files(api) == []


async def test_a_path_that_is_no_digest_is_refused(api: Api) -> None:
    answer = await api.http.put("/v1/groups/default/artifacts/sha256:ABC", content=b"x")

    error = problem(answer, 422, "InvalidRequest")["errors"][0]
    assert error["pointer"] == "digest"
    assert "64 hex digits" in error["detail"]


async def test_an_upload_larger_than_allowed_is_refused_announced_or_not(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    content = b"x" * 5000
    path = f"/v1/groups/default/artifacts/sha256:{hashlib.sha256(content).hexdigest()}"

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000

    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, max_artifact_bytes=4096
    ) as api:
        announced = await api.http.put(path, content=content)
        streamed = await api.http.put(path, content=chunks())
        left = stored_files(api)

    assert problem(announced, 413, "BodyTooLarge")["largest_bytes"] == 4096
    problem(streamed, 413, "BodyTooLarge")
    assert left == []


async def test_a_broken_upload_leaves_nothing_and_is_simply_repeated(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.service.settings.port)
    head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
    writer.write(f"{head}Content-Length: {len(SOURCE)}\r\n\r\n".encode() + SOURCE[:5])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader

    answer = await api.http.put(PATH, content=SOURCE)

    stored = [SOURCE_DIGEST.removeprefix("sha256:")]
    assert answer.status_code == 201
    await eventually(lambda: [path.name for path in stored_files(api)] == stored)


async def test_many_uploads_of_the_same_bytes_at_once_all_succeed(api: Api) -> None:
    answers = await asyncio.gather(*(api.http.put(PATH, content=SOURCE) for _ in range(10)))

    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len(stored_files(api)) == 1
