"""A parameter that a route does not know is refused: it may have been meant as a check or a filter."""

import pytest
from api_world import Api, problem
from slipway_api.app import make_routes
from slipway_api.routes.part import StrictRoute
from starlette.routing import Route

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def test_a_misspelt_dry_run_changes_nothing(api: Api) -> None:
    await api.platform.publish_version()
    created = await api.create()
    await api.platform.bring_live(created.json()["operation"]["id"])
    before = await api.commands()

    answer = await api.http.post(f"{DEPLOYMENT}/scale?dryrun=true", json={"replicas": 2})

    document = problem(answer, 422, "InvalidRequest")
    assert document["errors"] == [
        {
            "pointer": "dryrun",
            "detail": "unknown parameter; did you mean dry_run?",
            "code": "extra_forbidden",
            "nearest": "dry_run",
        }
    ]
    assert await api.commands() == before


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("/v1/events?unknown=1", ["unknown"]),
        ("/v1/events?unknown=1&unknown=2&Group=x&group=default", ["Group", "unknown"]),
        (f"{DEPLOYMENT}/timeline?at=5", ["at"]),
        ("/v1/operations?bogus=1", ["bogus"]),
        ("/v1/groups?at_least=1", ["at_least"]),
        ("/v1/schemas?dry_run=true", ["dry_run"]),
        ("/v1/me?%00=", ["\0"]),
    ],
)
async def test_an_unknown_parameter_of_a_read_is_refused_by_name(
    api: Api, path: str, pointers: list[str]
) -> None:
    document = problem(await api.http.get(path), 422, "InvalidRequest")

    assert [each["pointer"] for each in document["errors"]] == pointers


async def test_a_name_is_suggested_whatever_its_case_and_only_where_it_is_close(api: Api) -> None:
    answer = await api.http.get("/v1/events?PAGESIZE=1&zzz=1")

    close, far = problem(answer, 422, "InvalidRequest")["errors"]
    assert (close["pointer"], close["nearest"]) == ("PAGESIZE", "page_size")
    assert far == {"pointer": "zzz", "detail": "unknown parameter", "code": "extra_forbidden"}


async def test_no_dry_run_is_suggested_where_there_is_none(api: Api) -> None:
    answer = await api.http.post("/v1/keys?dryrun=true", json={"user": "x", "grants": []})

    assert "nearest" not in problem(answer, 422, "InvalidRequest")["errors"][0]


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/targets", "/v1/groups", "/v1/webhooks", "/v1/gateways"])
async def test_a_list_that_comes_whole_takes_a_page_size_as_every_list_does(api: Api, path: str) -> None:
    assert (await api.http.get(path, params={"page_size": 200})).status_code == 200


def test_every_route_of_the_api_refuses_what_it_does_not_know() -> None:
    routes = [route for route in make_routes().routes if isinstance(route, Route)]

    others = [route.path for route in routes if not isinstance(route, StrictRoute)]

    assert len(routes) > len(others)
    assert others == ["/openapi.json"]


async def test_a_rule_that_two_parts_of_a_route_check_is_told_once(api: Api) -> None:
    document = problem(await api.http.get("/v1/events?group=a.b"), 422, "InvalidRequest")

    assert [each["pointer"] for each in document["errors"]] == ["group"]
    assert document["detail"] == "1 part of the request broke the rules: group."
