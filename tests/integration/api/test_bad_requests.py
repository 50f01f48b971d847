"""Whatever is wrong with a request is told field by field, and never as a 500."""

from typing import Any

from api_world import Api, problem
from eventually import eventually
from slipway_api.reading.paging import encode

CREATE = "/v1/groups/default/deployments"
GOOD = {"id": "digits", "version": "20260101.1"}


WRONG_FIELDS: list[tuple[Any, str, str]] = [
    ({**GOOD, "replcas": 2}, "#/replcas", "did you mean replicas?"),
    ({**GOOD, "size": {"cpus": 2}}, "#/size/cpus", "did you mean cpu?"),
    ({**GOOD, "id": "Digits"}, "#/id", "a-z, 0-9 and -"),
    ({**GOOD, "id": "a" * 64}, "#/id", "63"),
    ({**GOOD, "id": "digits\n"}, "#/id", "a-z, 0-9 and -"),
    ({**GOOD, "target": "a.b"}, "#/target", "a-z, 0-9 and -"),
    ({**GOOD, "replicas": 0}, "#/replicas", "greater than or equal to 1"),
    ({**GOOD, "replicas": "2"}, "#/replicas", "valid integer"),
    ({**GOOD, "replicas": True}, "#/replicas", "valid integer"),
    ({**GOOD, "size": {"memory_bytes": -1}}, "#/size/memory_bytes", "greater than 0"),
    ({**GOOD, "deadline_seconds": 0}, "#/deadline_seconds", "greater than 0"),
    ({**GOOD, "environment": {"A B": "x"}}, "#/environment/A B", "the name must match"),
    ({**GOOD, "environment": {"PORT": "1"}}, "#/environment", "PORT is set by the platform"),
    ({**GOOD, "environment": {"A": 1}}, "#/environment/A", "valid string"),
    ({**GOOD, "environment": {"A": "x\x00"}}, "#/environment/A", "NUL"),
    ({**GOOD, "description": "x\x00"}, "#/description", "NUL"),
    ({**GOOD, "metadata": {"a/b_c": 1}}, "#/metadata/a~1b_c", "valid string"),
    ({**GOOD, "version": "a b"}, "#/version", "dot, dash and underscore"),
    ({"id": "digits", "source": "sha256:x"}, "#/source", "64 hex digits"),
    ({"id": "digits"}, "#", "exactly one of version and source"),
    ({**GOOD, "source": f"sha256:{1:064x}"}, "#", "exactly one of version and source"),
    ({**GOOD, "label": "v1"}, "#", "label names the version that source becomes"),
    ({"version": "v1"}, "#/id", "Field required"),
    ([], "#", "valid"),
    ("x", "#", "valid"),
]
UNREADABLE: list[tuple[bytes, str, int, str]] = [
    (b"{", "application/json", 400, "MalformedBody"),
    (b"\xff\xfe", "application/json", 400, "MalformedBody"),
    (b"[" * 100_000, "application/json", 400, "MalformedBody"),
    (b'{"id": "digits", "version": "v1"}', "text/plain", 422, "InvalidRequest"),
    (b"", "application/json", 422, "InvalidRequest"),
    (
        b'{"id": "digits", "version": "v1", "size": {"cpu": Infinity}}',
        "application/json",
        422,
        "InvalidRequest",
    ),
    (b'{"id": "digits", "version": "v1", "size": {"cpu": NaN}}', "application/json", 422, "InvalidRequest"),
    (b'{"id": "digits", "version": "v1", "replicas": 1e400}', "application/json", 422, "InvalidRequest"),
    (
        b'{"id": "digits", "version": "v1", "description": "\\ud800"}',
        "application/json",
        422,
        "InvalidRequest",
    ),
    (b"x" * 300_000, "application/json", 413, "BodyTooLarge"),
]
WRONG_PARAMETERS = [
    ("/v1/groups/De_fault/deployments", "group"),
    ("/v1/groups/default/deployments/a.b", "deployment"),
    ("/v1/groups/default/deployments/%00", "deployment"),
    ("/v1/groups/default/deployments/digits/releases/0", "number"),
    ("/v1/groups/default/deployments/digits/releases/9999999999999", "number"),
    ("/v1/groups/default/deployments/digits/builds/x", "build"),
    ("/v1/operations/nope", "operation"),
    ("/v1/deployments?page_size=0", "page_size"),
    ("/v1/deployments?page_size=1000000", "page_size"),
    ("/v1/deployments?state=BROKEN", "state"),
    ("/v1/deployments?at_least=-1", "at_least"),
    ("/v1/deployments?at_least=99999999999999999999", "at_least"),
    ("/v1/events?from=x", "from"),
    ("/v1/groups/default/deployments/digits/logs?tail=-1", "tail"),
    ("/v1/groups/default/deployments/digits/logs?since=yesterday", "since"),
    ("/v1/groups/default/deployments/digits/logs?since=0001-01-01T00:00:00%2B12:00", "since"),
    ("/v1/groups/default/deployments/digits/logs?release=9999999999999999999999", "release"),
    ("/v1/audit?since=0001-01-01T00:00:00%2B12:00", "since"),
    ("/v1/audit?until=9999-12-31T23:59:59-12:00", "until"),
    (f"/v1/audit?page_token={encode([2**64])}", "page_token"),
    ("/v1/groups/default/deployments/digits?at=0001-01-01T00:00:00%2B12:00", "at"),
    ("/v1/groups/default/deployments/digits?at=9999-12-31T23:59:59-12:00", "at"),
    ("/v1/groups/default/deployments/digits?at=9999-12-31T23:59:59Z", "at"),
    (
        f"/v1/deployments?sort=created&page_token={encode(['0001-01-01T00:00:00+12:00', 'default', 'a'])}",
        "page_token",
    ),
    (f"/v1/deployments?page_token={encode(('default', chr(0)))}", "page_token"),
]
EXTREMES = [
    "/v1/audit?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z",
    "/v1/groups/default/deployments/digits/logs?since=0001-01-01T00:00:00Z",
    "/v1/groups/default/deployments/digits/logs?since=9999-12-31T23:59:59Z",
]


async def test_each_wrong_field_is_named_with_what_is_allowed(api: Api) -> None:
    for body, pointer, words in WRONG_FIELDS:
        answer = await api.http.post(CREATE, json=body)

        errors = problem(answer, 422, "InvalidRequest")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]
        assert words in errors[0]["detail"]


async def test_all_wrong_fields_are_told_at_once(api: Api) -> None:
    answer = await api.http.post(CREATE, json={"id": "X", "version": "v", "replicas": 0, "foo": 1})

    errors = problem(answer, 422, "InvalidRequest")["errors"]
    assert {error["pointer"] for error in errors} == {"#/id", "#/replicas", "#/foo"}


async def test_a_body_that_cannot_be_read_is_a_problem_not_a_failure(api: Api) -> None:
    for content, content_type, status, reason in UNREADABLE:
        answer = await api.http.post(CREATE, content=content, headers={"Content-Type": content_type})

        problem(answer, status, reason)


async def test_a_body_without_announced_length_is_bounded_too(api: Api) -> None:
    async def chunks() -> Any:
        for _ in range(300):
            yield b"x" * 1000

    answer = await api.http.post(CREATE, content=chunks(), headers={"Content-Type": "application/json"})

    assert problem(answer, 413, "BodyTooLarge")["largest_bytes"] == 256 << 10


async def test_wrong_parameters_are_named(api: Api) -> None:
    for path, pointer in WRONG_PARAMETERS:
        answer = await api.http.get(path)

        errors = problem(answer, 422, "InvalidRequest")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]


async def test_times_at_the_ends_of_the_calendar_are_answered(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()

    async def is_known() -> bool:
        return (await api.http.get(f"{CREATE}/digits")).status_code == 200

    await eventually(is_known)
    for path in EXTREMES:
        answer = await api.http.get(path)

        assert answer.status_code == 200, answer.text


async def test_an_if_match_that_is_no_etag_is_refused(api: Api) -> None:
    for etag in ("x", '"x"', '"-1"', '"99999999999999999999"'):
        answer = await api.http.delete(f"{CREATE}/digits", headers={"If-Match": etag})

        assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == "If-Match"


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    path = await api.http.get("/v1/deploymints")
    method = await api.http.patch("/v1/deployments")
    root = await api.http.get("/")

    problem(path, 404, "RouteUnknown")
    problem(root, 404, "RouteUnknown")
    assert problem(method, 405, "MethodNotAllowed")["allowed"] == ["GET"]
    assert method.headers["allow"] == "GET"


async def test_nothing_of_the_api_loads_anything_from_elsewhere(api: Api) -> None:
    for path in ("/docs", "/redoc"):
        problem(await api.http.get(path), 404, "RouteUnknown")
    assert (await api.http.get("/openapi.json")).json()["openapi"].startswith("3.1")
