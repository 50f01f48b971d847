"""Trials: what a plan says before anything is done."""

from typing import Any

import pytest
from api_stage import Stage
from api_world import SOURCE_DIGEST, Api, problem

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def deployed(api: Api, **body: Any) -> Stage:
    await api.platform.publish_version()
    await api.create(**body)
    stage = Stage(platform=api.platform)
    await stage.take()
    return stage


async def plan(api: Api, verb: str, method: str = "POST", **body: Any) -> dict[str, Any]:
    commands = await api.commands()
    answer = await api.http.request(
        method, f"{DEPLOYMENT}{verb}", params={"dry_run": True}, json=body or None
    )
    assert answer.status_code == 200, answer.text
    assert await api.commands() == commands
    found: dict[str, Any] = answer.json()
    return found


def actions(found: dict[str, Any]) -> list[str]:
    return [step["action"] for step in found["steps"]]


async def test_a_plan_compares_with_what_serves(api: Api) -> None:
    await deployed(api, environment={"LANG": "C"})

    found = await plan(api, "/update", environment={"LANG": "de"}, replicas=2)

    changes = {each["field"]: (each["before"], each["after"]) for each in found["changes"]}
    assert found["compared_with"] == 1
    assert changes == {"environment.LANG": ("C", "de"), "replicas": (1, 2)}
    assert actions(found) == ["start", "move", "drain"]
    assert found["steps"][0]["detail"] == "Start 2 replicas of endpoint predict on local."
    assert (found["surge"]["replicas"], found["surge"]["cpu"]) == (2, 2.0)
    assert found["downtime"] is None


async def test_a_plan_of_a_scale_keeps_what_runs(api: Api) -> None:
    await deployed(api, replicas=2)

    found = await plan(api, "/scale", replicas=5)

    assert found["steps"][0]["detail"] == "Keep 2 and start 3 more replicas of endpoint predict on local."
    assert found["surge"]["replicas"] == 3


async def test_a_plan_in_place_names_its_downtime_and_needs_no_room(api: Api) -> None:
    await deployed(api)

    found = await plan(api, "/update", strategy="in-place", environment={"A": "1"}, deadline_seconds=30)

    assert "at most 30 s" in found["downtime"]
    assert found["surge"]["replicas"] == 0
    assert actions(found) == ["drain", "start", "move"]


async def test_a_plan_of_a_source_begins_with_its_build(api: Api) -> None:
    await deployed(api)
    await api.upload()

    found = await plan(api, "/deploy", source=SOURCE_DIGEST)

    assert found["kinds"] == ["build", "deploy"]
    assert actions(found) == ["build", "start", "move", "drain"]


async def test_a_plan_of_an_alias_starts_what_does_not_run(api: Api) -> None:
    stage = await deployed(api)
    await api.http.post(f"{DEPLOYMENT}/redeploy", json={"environment": {"A": "1"}})
    await stage.take()

    found = await plan(api, "/aliases/live", "PUT", release=1)

    assert [(step["action"], step["release"]) for step in found["steps"]] == [
        ("start", 1),
        ("move", 1),
        ("drain", 2),
    ]


async def test_plans_of_ends_say_what_ends(api: Api) -> None:
    await deployed(api, replicas=2)

    stop = await plan(api, "/stop")
    purge = await plan(api, "/purge")
    settings = await plan(api, "", "PATCH", description="x")

    assert stop["steps"][0]["detail"] == "Take every alias off its route and end 2 replicas."
    assert actions(purge) == ["end", "remove", "remove"]
    assert actions(settings) == ["configure"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/groups/other", {}),
        ("PUT", "/v1/instance-types/small", {"size": {}}),
        ("PUT", "/v1/groups/default/secrets/password", {"value": "plain"}),
        ("POST", "/v1/keys", {"user": "eve", "grants": [{"group": "*", "role": "viewer"}]}),
    ],
)
async def test_what_cannot_be_tried_is_not_done_instead(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    end = await api.platform.log.end()

    answer = await api.http.request(method, path, params={"dry_run": True}, json=body)

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == "dry_run"
    assert await api.platform.log.end() == end


async def test_a_trial_honours_the_etag_like_the_command(api: Api) -> None:
    await api.upload()
    await deployed(api)
    stale, tried = {"If-Match": '"1"'}, {"dry_run": True}
    version = f"{DEPLOYMENT}/versions/20260101.1/hide"

    built = await api.http.post(
        f"{DEPLOYMENT}/builds", params=tried, headers=stale, json={"source": SOURCE_DIGEST}
    )
    tried_hide = await api.http.post(version, params=tried, headers=stale)
    hide = await api.http.post(version, headers=stale)

    for answer in (built, tried_hide, hide):
        problem(answer, 412, "PreconditionFailed")
    assert (await api.http.get(f"{DEPLOYMENT}/versions/20260101.1")).json()["hidden"] is False
