"""Groups: configured as a whole, at once everywhere; members, and the switch for deployments."""

import asyncio
from typing import Any

import httpx
from api_world import Api, problem
from event_subscriber import subscribed
from eventually import eventually

TEAM = "/v1/groups/team"
DIGITS = "/v1/groups/default/deployments/digits"


async def put(client: httpx.AsyncClient, path: str = TEAM, **body: Any) -> httpx.Response:
    headers = body.pop("headers", {})
    return await client.put(path, json=body, headers=headers)


async def test_a_group_is_there_with_all_of_it_once_the_answer_is(api: Api) -> None:
    answer = await put(
        api.http,
        description="Vision",
        quota={"deployments": 3, "cpu": 2.5},
        members=[{"user": "bob", "role": "deployer"}],
    )

    shown = (await api.http.get(TEAM)).json()
    listed = (await api.http.get("/v1/groups")).json()["items"]
    assert answer.status_code == 200, answer.text
    assert shown == answer.json()
    assert [group["name"] for group in listed] == ["default", "team"]
    assert shown["quota"] == {
        "deployments": 3, "replicas": None, "cpu": 2.5, "memory_bytes": None, "gpu": None,
    }  # fmt: skip
    assert shown["use"]["deployments"] == 0
    assert shown["members"] == [{"user": "bob", "role": "deployer"}]
    assert shown["deployments_enabled"] is True


async def test_what_a_body_leaves_out_takes_its_default(api: Api) -> None:
    await put(api.http, quota={"deployments": 3}, members=[{"user": "bob", "role": "viewer"}])

    shown = (await put(api.http, description="only this")).json()

    assert shown["quota"]["deployments"] is None
    assert shown["members"] == []


async def test_a_change_on_what_has_changed_is_refused(api: Api) -> None:
    first = await put(api.http, description="first")
    await put(api.http, description="second")

    stale = await put(api.http, description="third", headers={"If-Match": first.headers["etag"]})

    document = problem(stale, 412, "PreconditionFailed")
    current = await api.http.get(TEAM)
    assert current.json()["description"] == "second"
    assert f'"{document["etag"]}"' == current.headers["etag"]


async def test_of_many_changes_of_one_state_one_is_made(api: Api) -> None:
    etag = (await put(api.http, description="first")).headers["etag"]

    answers = await asyncio.gather(
        *(put(api.http, description=f"change {n}", headers={"If-Match": etag}) for n in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


async def test_a_member_may_what_the_larger_of_membership_and_key_allows_at_once(api: Api) -> None:
    bob = api.client(await api.key_for("bob", default="viewer"))
    before = await bob.post(f"{DIGITS}/stop")

    await put(api.http, "/v1/groups/default", members=[{"user": "bob", "role": "deployer"}])
    during = await bob.post(f"{DIGITS}/stop")
    await put(api.http, "/v1/groups/default", members=[])
    after = await bob.post(f"{DIGITS}/stop")

    problem(before, 403, "RoleMissing")
    problem(during, 404, "DeploymentNotFound")
    problem(after, 403, "RoleMissing")


async def test_a_member_sees_the_group_in_every_list(api: Api) -> None:
    bob = api.client(await api.key_for("bob", other="viewer"))
    await put(api.http, members=[{"user": "bob", "role": "admin"}])

    me, groups = (await bob.get("/v1/me")).json(), (await bob.get("/v1/groups")).json()["items"]
    listed = await bob.get("/v1/deployments", params={"group": "team"})

    assert me["memberships"] == [{"group": "team", "role": "admin"}]
    assert [(group["name"], group["role"]) for group in groups] == [("team", "admin")]
    assert listed.status_code == 200


async def test_an_admin_of_the_group_changes_its_members_only(api: Api) -> None:
    await put(api.http, quota={"deployments": 1})
    bob = api.client(await api.key_for("bob", team="admin"))

    members = await put(bob, quota={"deployments": 1}, members=[{"user": "eve", "role": "viewer"}])
    quota = await put(bob, quota={"deployments": 100})
    new = await put(bob, "/v1/groups/another")

    assert members.status_code == 200
    problem(quota, 403, "RoleMissing")
    problem(new, 403, "RoleMissing")


async def test_a_viewer_changes_nothing_and_a_stranger_sees_nothing(api: Api) -> None:
    await put(api.http)
    viewer = api.client(await api.key_for("bob", team="viewer"))
    stranger = api.client(await api.key_for("eve", other="admin"))

    problem(await put(viewer, members=[]), 403, "RoleMissing")
    problem(await viewer.put(f"{TEAM}/secrets/token", json={"value": "x"}), 403, "RoleMissing")
    problem(await stranger.get(TEAM), 403, "RoleMissing")
    assert (await viewer.get(TEAM)).status_code == 200


async def test_a_group_that_may_not_deploy_can_still_be_read_stopped_and_deleted(api: Api) -> None:
    await api.platform.publish_version()
    await api.platform.publish_version(deployment="other")
    created = (await api.create()).json()
    await api.platform.bring_live(created["operation"]["id"])
    await put(api.http, "/v1/groups/default", deployments_enabled=False)

    redeploy = await api.http.post(f"{DIGITS}/redeploy", json={})
    other = await api.create("other")
    stop = await api.http.post(f"{DIGITS}/stop")
    start = await api.http.post(f"{DIGITS}/start")
    read = await api.http.get(DIGITS, params={"at_least": stop.json()["sequence"]})
    delete = await api.http.delete(DIGITS)

    for refused in (redeploy, other, start):
        assert problem(refused, 403, "DeploymentsDisabled")["group"] == "default"
    assert (stop.status_code, read.status_code, delete.status_code) == (202, 200, 202)


async def test_a_removed_member_loses_open_event_streams(api: Api) -> None:
    bob = api.client(await api.key_for("bob", other="viewer"))
    await put(api.http, members=[{"user": "bob", "role": "viewer"}])

    async with subscribed(bob, query={"group": "team"}) as subscriber:
        await put(api.http, members=[])
        await eventually(lambda: subscriber.ended)


async def test_a_broken_group_is_refused_with_every_field(api: Api) -> None:
    answer = await put(
        api.http,
        quota={"cpu": -1, "deployment": 3},
        members=[{"user": "bob", "role": "viewer"}, {"user": "bob", "role": "admin"}],
    )

    document = problem(answer, 422, "InvalidRequest")
    pointers = {error["pointer"]: error for error in document["errors"]}
    assert pointers.keys() == {"#/quota/cpu", "#/quota/deployment", "#/members"}
    assert pointers["#/quota/deployment"]["nearest"] == "deployments"
    assert "bob" in pointers["#/members"]["detail"]
