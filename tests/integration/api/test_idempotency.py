"""A request that is sent again is the same command, however often, whatever is down, and however late."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem
from eventually import eventually
from slipway_contracts.commands import Cancel
from slipway_contracts.topology import LOG

DEPLOYMENT = "/v1/groups/default/deployments/digits"
KEY = {"Idempotency-Key": "once"}


async def prepare(api: Api) -> None:
    await api.upload()
    await api.platform.publish_version()


async def send(api: Api, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return await api.http.post(path, json=body, headers=KEY | headers)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/groups/default/deployments", {"id": "digits", "version": "20260101.1"}),
        ("/v1/groups/default/deployments", {"id": "digits", "source": SOURCE_DIGEST}),
        (f"{DEPLOYMENT}/builds", {"source": SOURCE_DIGEST}),
    ],
)
async def test_twenty_copies_of_a_request_at_once_are_one_operation(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    await prepare(api)

    answers = await asyncio.gather(*(send(api, path, body) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["operation"]["id"] for answer in answers}) == 1
    assert len({answer.json()["sequence"] for answer in answers}) == 1
    assert len(await api.commands()) == (2 if "source" in body and "id" in body else 1)


@pytest.mark.parametrize("verb", ["deploy", "redeploy", "stop", "cancel"])
async def test_a_repeat_finds_its_operation_though_the_deployment_has_changed(api: Api, verb: str) -> None:
    await prepare(api)
    await api.create()
    body = {"version": "20260101.1"} if verb == "deploy" else {}
    etag = (await api.http.post(f"{DEPLOYMENT}/cancel")).json()["sequence"]
    first = await send(api, f"{DEPLOYMENT}/{verb}", body, **{"If-Match": f'"{etag}"'})
    await api.http.delete(DEPLOYMENT)
    before = await api.commands()

    again = await send(api, f"{DEPLOYMENT}/{verb}", body, **{"If-Match": f'"{etag}"'})

    assert first.status_code == again.status_code == 202, again.text
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert again.json()["sequence"] == first.json()["sequence"]
    assert await api.commands() == before


async def test_the_same_key_with_another_body_is_refused(api: Api) -> None:
    await prepare(api)
    body = {"id": "digits", "version": "20260101.1"}
    first = await send(api, "/v1/groups/default/deployments", body)

    other = await send(api, "/v1/groups/default/deployments", body | {"replicas": 2})
    spelled = await api.http.post(
        "/v1/groups/default/deployments",
        content=b'{ "version":"20260101.1",   "id":"digits" }',
        headers={"Content-Type": "application/json", **KEY},
    )

    assert problem(other, 422, "IdempotencyKeyReused")["operation"] == first.json()["operation"]["id"]
    assert spelled.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert await api.commands() == ["command.deploy.v1"]


async def test_keys_of_different_users_and_routes_do_not_meet(api: Api) -> None:
    await prepare(api)
    other = await api.key_for("bob", default="deployer")
    body = {"version": "20260101.1"}

    first = await send(api, "/v1/groups/default/deployments", body | {"id": "digits"})
    second = await send(api, f"{DEPLOYMENT}/deploy", body)
    async with api.client(other) as bob:
        third = await bob.post(f"{DEPLOYMENT}/deploy", json=body, headers=KEY)

    ids = {answer.json()["operation"]["id"] for answer in (first, second, third)}
    assert len(ids) == 3
    assert len(await api.commands()) == 3


async def test_a_repeat_is_found_while_the_projection_is_behind(api: Api) -> None:
    await prepare(api)
    await api.create()
    await api.projector.stop()
    first = await send(api, f"{DEPLOYMENT}/stop")

    again = await send(api, f"{DEPLOYMENT}/stop")

    assert again.status_code == 202, again.text
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]


async def test_a_repeat_is_found_behind_many_commands_at_the_cost_of_few_requests(api: Api) -> None:
    await prepare(api)
    await api.create()
    await api.projector.stop()
    command = Cancel(group="default", deployment="digits", by="ada", request_digest="d")
    for _ in range(100):
        await api.platform.tell(command)
    first = await send(api, f"{DEPLOYMENT}/stop")
    stats = api.service.connection.nc.stats
    before = stats["out_msgs"]

    again = await send(api, f"{DEPLOYMENT}/stop")

    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert stats["out_msgs"] - before < 50


async def test_another_body_is_refused_while_the_projection_is_behind(api: Api) -> None:
    await prepare(api)
    await api.create()
    await api.http.get(DEPLOYMENT, params={"at_least": await api.platform.log.end()})
    await api.projector.stop()
    body = {"version": "20260101.1"}
    first = await send(api, f"{DEPLOYMENT}/deploy", body)
    built = await send(api, f"{DEPLOYMENT}/builds", {"source": SOURCE_DIGEST})

    other = await send(api, f"{DEPLOYMENT}/deploy", body | {"replicas": 2})
    relabeled = await send(api, f"{DEPLOYMENT}/builds", {"source": SOURCE_DIGEST, "label": "v2"})

    assert first.status_code == built.status_code == 202
    problem(other, 422, "IdempotencyKeyReused")
    problem(relabeled, 422, "IdempotencyKeyReused")


async def test_a_repeat_after_the_window_of_the_log_is_found_in_the_projection(api: Api) -> None:
    await prepare(api)
    await api.create()
    js = api.service.nc.jetstream()
    config = (await js.stream_info(LOG.name)).config
    await js.update_stream(config.evolve(duplicate_window=timedelta(milliseconds=100).total_seconds()))
    first = await send(api, f"{DEPLOYMENT}/redeploy", {"replicas": 2})
    await api.http.get(first.headers["location"])

    async def forgotten() -> bool:
        seen = await api.platform.log.last("slipway.default.digits.cmd.deployer.redeploy")
        assert seen is not None
        again = await send(api, f"{DEPLOYMENT}/redeploy", {"replicas": 2})
        assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
        return (asyncio.get_running_loop().time() - began) > 0.4

    began = asyncio.get_running_loop().time()
    await eventually(forgotten)

    assert await api.commands() == ["command.deploy.v1", "command.redeploy.v1"]


async def test_a_repeat_of_an_ended_operation_answers_its_end_at_once(api: Api) -> None:
    await prepare(api)
    body = {"id": "digits", "version": "20260101.1"}
    first = await send(api, "/v1/groups/default/deployments", body)
    ended = await api.platform.bring_live(first.json()["operation"]["id"])
    await api.http.get(DEPLOYMENT, params={"at_least": ended})

    again = await send(api, "/v1/groups/default/deployments", body, Prefer="wait=20")

    assert again.status_code == 200
    assert again.json()["operation"]["state"] == "SUCCEEDED"


async def test_an_empty_key_is_refused(api: Api) -> None:
    answer = await api.http.post(f"{DEPLOYMENT}/stop", headers={"Idempotency-Key": ""})

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == "idempotency-key"


async def test_a_key_does_not_stand_for_another_level_of_the_same_delete(api: Api) -> None:
    await prepare(api)
    await api.create()
    hidden = await api.http.delete(DEPLOYMENT, headers=KEY)

    again = await api.http.delete(DEPLOYMENT, headers=KEY)
    other = await api.http.delete(DEPLOYMENT, params={"level": "unload"}, headers=KEY)

    assert (hidden.status_code, again.status_code) == (202, 202)
    assert again.json()["operation"]["id"] == hidden.json()["operation"]["id"]
    problem(other, 422, "IdempotencyKeyReused")
