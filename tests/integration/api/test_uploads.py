"""Uploads of sources: checked while they stream, stored whole or not at all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from api_world import SOURCE, SOURCE_DIGEST, Api, problem, running_api
from eventually import eventually
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_contracts.commands import Build
from slipway_contracts.envelope import now

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


THEIRS = f"/v1/groups/vision/artifacts/{SOURCE_DIGEST}"
THEIR_BUILDS = "/v1/groups/vision/deployments/digits/builds"


async def test_a_digest_alone_gives_a_group_nothing_of_what_others_sent(api: Api) -> None:
    await api.http.put("/v1/groups/vision", json={})
    await api.upload()

    asked = await api.http.head(THEIRS)
    guessed = await api.http.put(THEIRS, content=b"")
    hidden = await api.http.post(f"{THEIRS}/hide")
    built = await api.http.post(THEIR_BUILDS, json={"source": SOURCE_DIGEST})

    assert asked.status_code == 404
    problem(guessed, 422, "DigestMismatch")
    problem(hidden, 404, "ArtifactNotFound")
    problem(built, 422, "SourceMissing")


async def test_a_group_has_what_it_sent_itself_and_the_bytes_are_kept_once(api: Api) -> None:
    await api.http.put("/v1/groups/vision", json={})
    await api.upload()

    first = await api.http.put(THEIRS, content=SOURCE)
    again = await api.http.put(THEIRS, content=b"not read, for the group has it")
    asked = await api.http.head(THEIRS)
    built = await api.http.post(THEIR_BUILDS, json={"source": SOURCE_DIGEST})

    assert [each.status_code for each in (first, again, asked, built)] == [201, 200, 200, 202]
    assert first.json() == again.json() == {"digest": SOURCE_DIGEST, "size_bytes": len(SOURCE)}
    assert len(stored_files(api)) == 1


async def test_what_a_group_built_of_before_uploads_were_told_stays_its_own(api: Api) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield SOURCE

    await FilesystemBlobStore(api.service.settings.blob_root).put(source())
    owner = {"group": "default", "deployment": "digits"}
    await api.platform.tell(
        Build(**owner, by="ada", request_digest="d", source=SOURCE_DIGEST, deadline_at=now())
    )
    await api.http.put("/v1/groups/vision", json={})

    async def listed() -> bool:
        return bool((await api.http.get("/v1/groups/default/artifacts")).json()["items"])

    await eventually(listed)

    ours = await api.http.post("/v1/groups/default/deployments/digits/builds", json={"source": SOURCE_DIGEST})
    theirs = await api.http.post(THEIR_BUILDS, json={"source": SOURCE_DIGEST})

    assert ours.status_code == 202, ours.text
    problem(theirs, 422, "SourceMissing")
