"""The audit says of every error what became of the change: refused, unknown, or partly in the log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from api_world import SOURCE, SOURCE_DIGEST, Api, problem, running_api
from eventually import eventually
from servers import NatsServer
from slipway_chassis.connection import Connection

GROUP = "/v1/groups/default"
DIGITS = f"{GROUP}/deployments/digits"
ARTIFACT = f"{GROUP}/artifacts/{SOURCE_DIGEST}"


@pytest.fixture
async def api(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api that soon gives up a log that does not answer, with a file to be adopted."""
    (tmp_path / "blobs" / "incoming").mkdir(parents=True)
    (tmp_path / "blobs" / "incoming" / "model.tar.gz").write_bytes(SOURCE)
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, log_timeout="PT0.5S"
    ) as running:
        yield running


async def told(api: Api, request: str, count: int) -> list[dict[str, Any]]:
    """Return what the audit has of a request, once it has so much."""

    async def enough() -> list[dict[str, Any]]:
        answer = await api.http.get("/v1/audit")
        found = [each for each in answer.json()["items"] if each["request"] == request]
        return found if len(found) >= count else []

    return await eventually(enough)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{DIGITS}/builds", {"source": SOURCE_DIGEST}),
        ("PUT", "/v1/instance-types/small", {"size": {"cpu": 1.0}}),
        ("PUT", ARTIFACT, None),
    ],
)
async def test_what_the_log_took_without_confirming_it_is_told_as_unknown_and_found_by_its_id(
    api: Api, fresh_nats: NatsServer, method: str, path: str, body: Any
) -> None:
    await api.upload()

    fresh_nats.pause()
    answer = await api.http.request(method, path, json=body)
    fresh_nats.resume()

    document = problem(answer, 503, "LogUnavailable")
    error, message = await told(api, document["request_id"], 2)
    if message["outcome"] != "accepted":
        error, message = message, error
    assert document["outcome"] == "unknown"
    assert (error["outcome"], error["status"], error["reason"]) == ("unknown", 503, "LogUnavailable")
    assert error["unconfirmed"] == message["id"] == document.get("operation", document.get("message"))
    assert (message["outcome"], message["user"]) == ("accepted", "admin")


async def test_what_never_reached_the_log_is_told_as_unknown_without_a_message(
    api: Api, fresh_nats: NatsServer
) -> None:
    fresh_nats.kill9()
    answer = await api.http.put("/v1/groups/vision", json={})
    fresh_nats.start()

    document = problem(answer, 503, "LogUnavailable")
    (error,) = await told(api, document["request_id"], 1)
    assert error["outcome"] in {"unknown", "refused"}
    assert (error["outcome"] == "unknown") == (document["outcome"] == "unknown")
    assert (error["unconfirmed"] is None) == (error["outcome"] == "refused")


async def test_an_error_behind_a_message_that_the_log_has_is_told_as_partial(api: Api) -> None:
    await api.platform.publish_version()
    await api.create(headers={"Prefer": "wait=0"})
    body = {"path": "model.tar.gz", "as": "version", "deployment": "digits", "label": "predict"}

    answer = await api.http.post(f"{GROUP}/artifacts/adopt", json=body)

    document = problem(answer, 409, "NameClash")
    error, message = await told(api, document["request_id"], 2)
    assert (error["outcome"], error["reason"], error["unconfirmed"]) == ("partial", "NameClash", None)
    assert (message["outcome"], message["action"]) == ("accepted", "artifact.adopted.v1")


async def test_a_refusal_that_left_nothing_in_the_log_is_told_as_refused(api: Api) -> None:
    answer = await api.http.post(f"{DIGITS}/stop")

    (error,) = await told(api, problem(answer, 404, "DeploymentNotFound")["request_id"], 1)
    assert (error["outcome"], error["unconfirmed"]) == ("refused", None)


@pytest.mark.parametrize("created", [True, False])
async def test_an_upload_is_told_whether_its_bytes_were_new_or_not(api: Api, created: bool) -> None:
    if not created:
        await api.upload()

    answer = await api.http.put(ARTIFACT, content=SOURCE)

    (entry,) = await told(api, answer.headers["x-request-id"], 1)
    assert answer.status_code == (201 if created else 200)
    assert (entry["action"], entry["outcome"]) == ("artifact.uploaded.v1", "accepted")
    assert (entry["user"], entry["address"], entry["group"]) == ("admin", "127.0.0.1", "default")
    assert entry["details"] == {"digest": SOURCE_DIGEST, "size_bytes": len(SOURCE), "stored": created}


async def test_an_upload_of_other_bytes_is_told_as_refused(api: Api) -> None:
    answer = await api.http.put(ARTIFACT, content=b"other bytes")

    (entry,) = await told(api, problem(answer, 422, "DigestMismatch")["request_id"], 1)
    assert (entry["outcome"], entry["status"]) == ("refused", 422)
    assert entry["action"] == "PUT /v1/groups/{group}/artifacts/{digest}"
