"""Keys and roles: who gets in, and who may do what."""

from contextlib import AsyncExitStack

import pytest
from api_world import Api, configure, grant, problem
from event_subscriber import subscribed
from eventually import eventually
from slipway_api.bootstrap import bootstrap
from slipway_api.identity.access import api_key_digest
from slipway_api.submitting.outgoing import outgoing
from slipway_contracts.envelope import new_id
from slipway_contracts.installation_events import GroupConfigured, KeyConfigured

DEPLOYMENTS = "/v1/groups/default/deployments"


async def test_without_a_valid_key_nothing_is_told(api: Api) -> None:
    for header in (None, "Bearer", "Basic abc", "Bearer slw_wrong", "slw_wrong"):
        headers = {} if header is None else {"Authorization": header}
        async with api.client(None) as stranger:
            answer = await stranger.get("/v1/me", headers=headers)
            unknown = await stranger.get("/v1/no-such-route", headers=headers)

        problem(answer, 401, "KeyUnknown" if header == "Bearer slw_wrong" else "KeyMissing")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert unknown.status_code == 401


async def test_me_tells_whose_key_it_is(api: Api) -> None:
    key = await api.key_for("ada", default="viewer")

    async with api.client(key) as ada:
        answer = await ada.get("/v1/me")

    assert answer.json()["user"] == "ada"
    assert answer.json()["grants"] == [{"group": "default", "role": "viewer"}]


async def test_a_viewer_reads_and_a_deployer_deploys(api: Api) -> None:
    await api.platform.publish_version()
    body = {"id": "digits", "version": "20260101.1"}
    viewer, deployer = (
        await api.key_for("eve", default="viewer"),
        await api.key_for("dan", default="deployer"),
    )

    async with api.client(viewer) as eve, api.client(deployer) as dan:
        read = await eve.get(DEPLOYMENTS)
        refused = await eve.post(DEPLOYMENTS, json=body)
        upload = await eve.put(f"/v1/groups/default/artifacts/{api_key_digest('x')}", content=b"x")
        allowed = await dan.post(DEPLOYMENTS, json=body)
        keys = await dan.get("/v1/keys")

    assert read.status_code == 200
    document = problem(refused, 403, "RoleMissing")
    assert (document["role_needed"], document["role"], document["group"]) == ("deployer", "viewer", "default")
    problem(upload, 403, "RoleMissing")
    assert allowed.status_code == 202
    assert allowed.json()["operation"]["created_by"] == "dan"
    assert problem(keys, 403, "RoleMissing")["role_needed"] == "admin"


async def test_other_groups_are_neither_read_nor_listed_nor_told_of(api: Api) -> None:
    await api.platform.log.publish(outgoing(GroupConfigured(group="vision"), identifier=new_id()))
    await api.platform.publish_version()
    created = await api.create()
    at_least = {"at_least": created.json()["sequence"]}
    key = await api.key_for("zoe", vision="admin")

    async with api.client(key) as zoe:
        deployment = await zoe.get(f"{DEPLOYMENTS}/digits", params=at_least)
        operation = await zoe.get(created.headers["location"])
        filtered = await zoe.get("/v1/events", params={"group": "default"})
        lists = [
            (await zoe.get(path, params=at_least)).json()["items"]
            for path in ("/v1/deployments", "/v1/operations", "/v1/events")
        ]
        groups = await zoe.get("/v1/groups")
        nowhere = await zoe.get("/v1/groups/nowhere/deployments")

    problem(deployment, 403, "RoleMissing")
    problem(operation, 403, "RoleMissing")
    problem(filtered, 403, "RoleMissing")
    assert lists[:2] == [[], []]
    types = {item["type"].removeprefix("dev.slipway.") for item in lists[2]}
    assert types == {"group.configured.v1", "target.announced.v1"}, "targets belong to no group"
    assert [group["name"] for group in groups.json()["items"]] == ["vision"]
    problem(nowhere, 403, "RoleMissing")


async def test_a_key_opens_at_once_and_a_revoked_one_nothing_more(api: Api) -> None:
    key = await api.key_for("ada", default="viewer")
    listed = [each for each in (await api.http.get("/v1/keys")).json()["items"] if each["user"] == "ada"]

    async with api.client(key) as ada:
        before = await ada.get("/v1/me")
        revoked = await api.http.delete(f"/v1/keys/{listed[0]['id']}")
        after = await ada.get("/v1/me")
    again = await api.http.delete(f"/v1/keys/{listed[0]['id']}")

    assert before.status_code == 200
    assert revoked.status_code == 204
    problem(after, 401, "KeyUnknown")
    problem(again, 404, "KeyNotFound")


@pytest.mark.parametrize("change", ["revoked", "other grants"])
async def test_what_follows_with_a_key_ends_when_the_key_changes(api: Api, change: str) -> None:
    await api.platform.publish_version()
    created = await api.create()
    key = await api.key_for("ada", default="viewer")
    configured = grant(key, "ada", default="viewer")
    logs = {"follow": "true", "at_least": created.json()["sequence"]}

    async with AsyncExitStack() as stack:
        ada = await stack.enter_async_context(api.client(key))
        events = await stack.enter_async_context(subscribed(ada))
        lines = await stack.enter_async_context(subscribed(ada, f"{DEPLOYMENTS}/digits/logs", query=logs))
        of_admin = await stack.enter_async_context(subscribed(api.http))
        await configure(api.platform.log, configured)
        await eventually(lambda: "key.configured.v1" in of_admin.types)
        ended_by_the_same = events.ended or lines.ended
        if change == "revoked":
            answer = await api.http.delete(f"/v1/keys/{configured.key}")
            assert answer.status_code == 204
        else:
            await configure(api.platform.log, grant(key, "ada", vision="viewer"))
        await eventually(lambda: events.ended and lines.ended)
        ended_for_others = of_admin.ended

    assert not ended_by_the_same
    assert not ended_for_others


async def test_the_log_never_sees_a_key(api: Api) -> None:
    key = await api.key_for("ada", default="viewer")

    stored = [each async for each in api.platform.log.read("slipway._._.evt.key.>", after=0)]

    assert isinstance(stored[-1].message, KeyConfigured)
    assert stored[-1].message.digest == api_key_digest(key)
    assert all(key.encode() not in each.data for each in stored)


async def test_a_message_that_only_a_newer_release_knows_does_no_harm(api: Api) -> None:
    subject = "slipway._._.evt.quota.configured"
    headers = {**outgoing(GroupConfigured(group="x"), identifier=new_id()).envelope.to_headers()}
    headers["ce-type"] = "dev.slipway.quota.configured.v1"
    await api.service.connection.request(
        subject, b'{"type": "quota.configured.v1"}', headers=headers, within=5
    )

    key = await api.key_for("ada", default="viewer")

    async with api.client(key) as ada:
        assert (await ada.get("/v1/me")).status_code == 200


async def test_bootstrap_again_changes_nothing(api: Api) -> None:
    before = await api.platform.log.end()

    made = await bootstrap(api.platform.log, api_key_digest(api.key))

    assert made == []
    assert await api.platform.log.end() == before
