"""Envoy's words for routes, clusters, problems and files."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from slipway_gateway import guards, problem
from slipway_gateway.bootstrap import AddressError, prepare
from slipway_gateway.clusters import cluster
from slipway_gateway.envoy_json import discovery, duration, version_of
from slipway_gateway.model import Cluster, Forward, Passwords, Place
from slipway_gateway.routes import route_configuration, route_list
from slipway_gateway.tracing import Tracing, TracingSettingError


def make_forward(**overrides: Any) -> Forward:
    given: dict[str, Any] = {
        "prefix": "/g/d/e",
        "clusters": (("abc-1", 100),),
        "timeout_seconds": 300.0,
        "members": {"group": "g", "deployment": "d", "endpoint": "e"},
        "max_body_bytes": None,
        "idempotent": False,
    }
    return Forward(**given | overrides)


def routes_of(forward: Forward) -> list[dict[str, Any]]:
    rendered = json.loads(route_list(Place(prefix="/g/d", routes=(forward,))))
    routes: list[dict[str, Any]] = rendered["action"]["typed_config"]["routes"]
    return routes


@pytest.mark.parametrize(
    ("path", "upstream"),
    [("/g/d/e", "/"), ("/g/d/e/", "/"), ("/g/d/e/x/y", "/x/y"), ("/g/d/e//x", "//x")],
)
def test_the_prefix_is_stripped_and_an_empty_path_becomes_the_root(path: str, upstream: str) -> None:
    rewrite = routes_of(make_forward())[0]["route"]["regex_rewrite"]

    assert re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], path) == upstream


def test_a_label_with_dots_matches_only_itself() -> None:
    rewrite = routes_of(make_forward(prefix="/g/d/1.0/e"))[0]["route"]["regex_rewrite"]

    assert re.match(rewrite["pattern"]["regex"], "/g/d/1.0/e")
    assert not re.match(rewrite["pattern"]["regex"], "/g/d/1x0/e")


def test_a_digest_that_envoy_would_refuse_opens_nothing_and_spoils_no_other() -> None:
    digests = {"ada": "A" * 27 + "=", "bad": "short", "eve": "x\nmallory:{SHA}" + "A" * 27 + "="}

    (rules,) = guards.rules(Passwords(digests=digests)).values()

    assert rules["users"]["inline_string"] == "ada:{SHA}" + "A" * 27 + "="


def test_only_idempotent_endpoints_are_asked_again_after_a_request_was_sent() -> None:
    safe, unsafe = (routes_of(make_forward(idempotent=value))[0]["route"] for value in (True, False))

    assert "reset" in safe["retry_policy"]["retry_on"].split(",")
    assert "retry_policy" not in unsafe
    every = json.loads(route_configuration({}))["virtual_hosts"][0]["retry_policy"]
    assert every["retry_on"].split(",") == ["connect-failure", "refused-stream", "reset-before-request"]


def test_an_endpoint_without_a_body_limit_has_one_route_that_streams() -> None:
    routes = routes_of(make_forward())

    assert [route["match"] for route in routes] == [{"path_separated_prefix": "/g/d/e"}]
    assert "typed_per_filter_config" not in routes[0]


def test_a_limit_that_no_length_can_exceed_is_none() -> None:
    routes = routes_of(make_forward(max_body_bytes=1 << 63))

    assert [route["match"] for route in routes] == [{"path_separated_prefix": "/g/d/e"}]


def test_a_problem_that_takes_its_status_from_envoy_can_answer_no_route() -> None:
    with pytest.raises(ValueError, match="RequestRefused"):
        problem.refusal(problem.REQUEST_REFUSED, {})


def test_equal_resources_give_equal_bytes_and_the_version_is_theirs() -> None:
    one = cluster(Cluster(name="a-1", addresses=("127.0.0.1:1", "[::1]:2")))

    assert discovery([one]) == discovery([one])
    assert version_of(discovery([one])) == json.loads(discovery([one]))["version_info"]
    assert version_of(discovery([one])) != version_of(discovery([]))


@pytest.mark.parametrize(
    ("seconds", "text"), [(300.0, "300s"), (0.25, "0.25s"), (1e-9, "0.001s"), (1e300, "315576000s")]
)
def test_durations_stay_within_what_envoy_takes_and_never_become_zero_which_means_for_ever(
    seconds: float, text: str
) -> None:
    assert duration(seconds) == text


def test_preparing_twice_changes_nothing_and_leaves_clusters_and_routes_alone(tmp_path: Path) -> None:
    bootstrap = prepare(tmp_path / "a b", port=8780)
    files = [each for each in bootstrap.parent.rglob("*") if each.is_file()]
    (bootstrap.parent / "xds/routes.json").write_bytes(discovery(["{}"]))
    before = {each: (each.read_bytes(), each.stat().st_ino) for each in files}

    prepare(tmp_path / "a b", port=8780)

    assert {each: (each.read_bytes(), each.stat().st_ino) for each in files} == before
    assert sorted(each.name for each in bootstrap.parent.rglob("*")) == [
        "bootstrap.json",
        "clusters.json",
        "keys.json",
        "listeners.json",
        "routes.json",
        "xds",
    ]


def test_a_socket_path_that_no_system_takes_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="shorter path"):
        prepare(tmp_path, port=8780, admin="/" + "x" * 120)

    assert not (tmp_path / "bootstrap.json").exists()


@pytest.mark.parametrize("host", ["localhost", "", "gateway.example"])
def test_a_host_that_is_no_address_is_refused_before_envoy_would(tmp_path: Path, host: str) -> None:
    with pytest.raises(AddressError, match="no IP address"):
        prepare(tmp_path, port=8780, host=host)


def test_requests_are_traced_only_where_an_endpoint_is_named() -> None:
    assert Tracing.from_environment({}) is None
    assert Tracing.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/"}) == Tracing(
        url="http://otel:4318/v1/traces"
    )
    with pytest.raises(TracingSettingError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        Tracing.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "otel:4317"})


def test_requests_are_traced_as_the_standard_variables_say() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""}
    told = endpoint | {
        "OTEL_SERVICE_NAME": "edge",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,team=ml%20ops,broken",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, tenant=5%25",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }

    assert Tracing.from_environment(told) == Tracing(
        url="http://otel:4318/v1/traces",
        sampled=0.5,
        service="edge",
        headers={"authorization": "Bearer x", "tenant": "5%"},
        resource={"team": "ml ops"},
    )
    never = Tracing.from_environment(told | {"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
    assert never is not None
    assert never.sampled == 0
    assert Tracing.from_environment(told | {"OTEL_SDK_DISABLED": "True"}) is None
