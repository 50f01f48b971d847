"""The smoke test of an endpoint: read from the manifest, refused where it could not be asked."""

import json

import pytest
from slipway_builder.endpoints.smoke_tests import smoke_test_of
from slipway_builder.source.manifest_file import ManifestInvalidError, parse_manifest
from slipway_contracts.manifest import LARGEST_SMOKE_TEST
from slipway_contracts.version import SmokeTest

WHOLE = """
  method: PUT
  path: /predict?explain=1
  headers: {Content-Type: application/vnd.digits+json, X-Trace: 0017}
  json: {image: [[0, 1.5], [null, true]]}
  expect:
    status: 201
    json: {digit: 0, scores: [0.5]}
    latency: 1.5
"""


def manifest_with(test: str) -> str:
    lines = "".join(f"    {line}\n" for line in test.strip("\n").splitlines())
    return f"endpoints:\n  - name: predict\n    wsgi: app:serve\n    smoke-test:\n{lines}"


def smoke_test(test: str) -> SmokeTest:
    (endpoint,) = parse_manifest("slipway.yaml", manifest_with(test)).endpoints
    found = smoke_test_of(endpoint)
    assert found is not None
    return found


def problems_of(test: str) -> list[str]:
    with pytest.raises(ManifestInvalidError) as caught:
        parse_manifest("slipway.yaml", manifest_with(test))
    return [str(problem) for problem in caught.value.problems]


def test_every_key_of_a_smoke_test_reaches_the_version() -> None:
    assert smoke_test(WHOLE) == SmokeTest(
        method="PUT",
        path="/predict?explain=1",
        headers={"Content-Type": "application/vnd.digits+json", "X-Trace": "0017"},
        body='{"image": [[0, 1.5], [null, true]]}',
        status=201,
        json_shape={"digit": 0, "scores": [0.5]},
        latency_seconds=1.5,
    )


def test_a_path_alone_is_asked_with_get_and_expects_200() -> None:
    assert smoke_test("  path: /") == SmokeTest(method="GET", path="/", status=200)


@pytest.mark.parametrize(
    ("sent", "body", "content_type"),
    [
        ("json: {a: 1}", '{"a": 1}', "application/json"),
        ("json: []", "[]", "application/json"),
        ("body: a=1", "a=1", None),
        ("body: 0017", "0017", None),
    ],
)
def test_what_has_something_to_send_is_posted(sent: str, body: str, content_type: str | None) -> None:
    found = smoke_test(f"  path: /\n  {sent}")

    assert (found.method, found.body) == ("POST", body)
    assert found.headers.get("content-type") == content_type


def test_an_endpoint_without_one_has_none() -> None:
    (endpoint,) = parse_manifest("slipway.yaml", "endpoints: [{name: a, wsgi: 'x:y'}]").endpoints

    assert smoke_test_of(endpoint) is None


def test_a_latency_may_have_a_unit() -> None:
    assert smoke_test("  path: /\n  expect: {latency: 250ms}").latency_seconds == 0.25


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("  expect: {}", "4: the key `smoke-test.path` is missing"),
        ("  path: predict", "5: `smoke-test.path`: must be a path that begins with `/`"),
        ("  path: /a b", "5: `smoke-test.path`: must be a path that begins with `/`"),
        ("  path: /\n  method: get", "6: `smoke-test.method`: must be a method in capital letters"),
        (
            "  path: /\n  body: {a: 1}",
            "6: `smoke-test.body`: must be text; give a mapping or a list as `json`",
        ),
        ("  path: /\n  body: a\n  json: 1", "smoke-test: give one of body and json"),
        ("  path: /\n  json: [.inf]", "smoke-test: json holds a number that JSON does not know"),
        ("  path: /\n  hedaers: {}", "6: unknown key `hedaers`; did you mean `headers`?"),
        ("  path: /\n  headers: {a b: c}", "6: `smoke-test.headers.a b"),
        ('  path: /\n  headers: {a: "b\\nc"}', "6: `smoke-test.headers.a`"),
        ("  path: /\n  expect:\n    staus: 200", "7: unknown key `staus`; did you mean `status`?"),
        ("  path: /\n  expect:\n    status: 700", "7: `smoke-test.expect.status`: "),
        ("  path: /\n  expect:\n    latency: 0", "7: `smoke-test.expect.latency`: "),
        ("  path: /\n  expect:\n    latency: soon", "7: `latency: soon` is no number with one of the units"),
        ("  - path", "4: `smoke-test`: "),
        (f"  path: /\n  body: {'x' * LARGEST_SMOKE_TEST}", "it may send and expect 16384 characters"),
    ],
)
def test_what_could_not_be_asked_is_refused_by_its_field(test: str, problem: str) -> None:
    found = problems_of(test)

    assert len(found) == 1
    assert found[0].startswith("slipway.yaml:")
    assert problem in found[0]


def test_a_kept_smoke_test_survives_its_way_through_json() -> None:
    found = smoke_test(WHOLE)

    assert SmokeTest.model_validate(json.loads(found.model_dump_json())) == found
