"""History, differences, versions that are hidden or gone, and the filters of the list."""

from typing import Any

import pytest
from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.events import VersionRemoved

GROUP = "/v1/groups/default/deployments"
DEPLOYMENT = f"{GROUP}/digits"


async def two_releases(api: Api) -> Stage:
    stage = Stage(platform=api.platform)
    await api.platform.publish_version()
    await api.platform.publish_version("20260101.2")
    await api.create(environment={"LANG": "C"}, description="first", metadata={"git": "1f"})
    await stage.take()
    body = {"version": "20260101.2", "replicas": 2, "environment": {"LANG": "de"}}
    await api.http.post(f"{DEPLOYMENT}/deploy", json=body)
    await stage.take()
    return stage


async def test_the_history_tells_who_made_what_and_what_became_of_it(api: Api) -> None:
    stage = await two_releases(api)
    await api.http.post(f"{DEPLOYMENT}/stop")
    last = await stage.take()

    page = (await api.http.get(f"{DEPLOYMENT}/history", params={"at_least": last, "page_size": 1})).json()
    rest = await api.http.get(f"{DEPLOYMENT}/history", params={"page_token": page["next_page_token"]})

    (second,), (first,) = page["items"], rest.json()["items"]
    assert (second["release"], second["outcome"], second["stopped"]) == (2, "RETIRED", True)
    assert (first["release"], first["outcome"], first["stopped"]) == (1, "RETIRED", False)
    assert (first["user"], first["cause"], first["version_label"]) == ("admin", "deploy", "20260101.1")
    assert (first["description"], first["metadata"]) == ("first", {"git": "1f"})
    assert (first["group"], first["target"], second["replicas"]) == ("default", "local", 2)
    assert first["images"] == {"predict": f"sha256:{1:064x}"}
    assert first["created_at"] < first["live_at"] < first["ended_at"]
    assert (first["restorable"], first["how_to_restore"]) == (True, None)


async def test_a_difference_names_each_field(api: Api) -> None:
    await two_releases(api)
    last = await api.platform.log.end()

    answer = await api.http.get(f"{DEPLOYMENT}/releases/1/diff/2", params={"at_least": last})
    unknown = await api.http.get(f"{DEPLOYMENT}/releases/1/diff/9")

    changes = {each["field"]: (each["before"], each["after"]) for each in answer.json()["changes"]}
    assert changes["version"] == ("20260101.1", "20260101.2")
    assert changes["environment.LANG"] == ("C", "de")
    assert changes["replicas"] == (1, 2)
    assert changes["metadata.git"] == ("1f", None)
    assert "target" not in changes
    assert problem(unknown, 404, "ReleaseNotFound")["release"] == 9


async def test_a_hidden_version_is_neither_listed_nor_deployed_until_it_is_shown_again(api: Api) -> None:
    await two_releases(api)
    version = f"{DEPLOYMENT}/versions/20260101.1"

    hidden = await api.http.post(f"{version}/hide")
    listed = (await api.http.get(f"{DEPLOYMENT}/versions")).json()["items"]
    among = (await api.http.get(f"{DEPLOYMENT}/versions", params={"hidden": True})).json()["items"]
    deploy = await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": "20260101.1"})
    back = await api.http.post(f"{DEPLOYMENT}/rollback", json={"to": 1})
    shown = await api.http.post(f"{version}/unhide")
    again = await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": "20260101.1"})

    assert (hidden.status_code, hidden.json()["hidden"]) == (200, True)
    assert [each["label"] for each in listed] == ["20260101.2"]
    assert [each["label"] for each in among] == ["20260101.1"]
    problem(deploy, 409, "VersionHidden")
    problem(back, 409, "VersionHidden")
    assert (shown.json()["hidden"], again.status_code) == (False, 202)


async def test_a_version_says_whether_it_can_run_and_when_it_last_did(api: Api) -> None:
    stage = await two_releases(api)
    before = {"at_least": await api.platform.log.end()}
    version = (await api.http.get(f"{DEPLOYMENT}/versions/20260101.1", params=before)).json()
    gone = VersionRemoved(**stage.owner, version=version["id"], label=version["label"])
    last = await api.platform.tell(gone)

    shown = (await api.http.get(f"{DEPLOYMENT}/versions/20260101.1", params={"at_least": last})).json()

    assert (version["restorable"], version["used_by"]) == (True, 1)
    assert (shown["restorable"], shown["removed_at"] is None) == (False, False)
    assert "20260101.1" in shown["how_to_restore"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["alpha", "beta", "gamma"]),
        ({"q": "read dig"}, ["alpha"]),
        ({"q": "gam"}, ["gamma"]),
        ({"metadata": ["team=vision"]}, ["alpha", "beta"]),
        ({"metadata": ["team=vision", "tier=1"]}, ["beta"]),
        ({"version": "20260101.1", "target": "local"}, ["alpha", "beta", "gamma"]),
        ({"version": "20260101.9"}, []),
        ({"mine": True}, ["alpha", "beta", "gamma"]),
        ({"sort": "-id"}, ["gamma", "beta", "alpha"]),
        ({"sort": "-created"}, ["gamma", "beta", "alpha"]),
        ({"state": "STOPPED"}, []),
    ],
)
async def test_the_list_is_filtered_searched_and_sorted(
    api: Api, query: dict[str, Any], found: list[str]
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "alpha": {"description": "Reads digits.", "metadata": {"team": "vision"}},
        "beta": {"metadata": {"team": "vision", "tier": "1"}},
        "gamma": {},
    }
    for name, given in settings.items():
        await api.platform.publish_version(deployment=name)
        await api.create(name, settings=given)
        last = await Stage(platform=api.platform, deployment=name).take()

    pages: list[str] = []
    token: dict[str, Any] = {"at_least": last}
    while True:
        answer = await api.http.get(GROUP, params={**query, **token, "page_size": 2})
        assert answer.status_code == 200, answer.text
        pages += [each["id"] for each in answer.json()["items"]]
        if answer.json()["next_page_token"] is None:
            break
        token = {"page_token": answer.json()["next_page_token"]}

    assert pages == found


async def test_a_list_that_cannot_be_understood_is_refused(api: Api) -> None:
    problem(await api.http.get(GROUP, params={"metadata": "vision"}), 422, "InvalidRequest")
    problem(await api.http.get(GROUP, params={"sort": "size"}), 422, "InvalidRequest")
    problem(await api.http.get(GROUP, params={"sort": "created", "page_token": "x"}), 422, "InvalidRequest")
