"""Each way to change something that a key may not use is told once, and so is who has no key at all."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx
import pytest
from api_walk import OWNED, Walk, bury, mutations
from api_world import SOURCE_DIGEST, Api, problem
from eventually import eventually
from slipway_api.app import make_routes
from slipway_api.audit.auditing import MUTATIONS
from slipway_api.audit.refused_windows import KINDS_OF_ONE
from slipway_api.identity.access import new_key
from slipway_contracts.envelope import new_id

NAMES: Final = {
    **OWNED,
    "name": "some",
    "number": 1,
    "alias": "staging",
    "version": "20260101.1",
    "digest": SOURCE_DIGEST,
    "gateway": "edge-1",
    **{kind: new_id() for kind in ("key", "build", "webhook")},
}
"""What the path of a refused request may name; nothing of it has to be there."""


async def dead_message(api: Api) -> int:
    await api.platform.publish_version(deployment="lost")
    made = (await api.create("lost")).json()
    await bury(api.platform, "lost", made["operation"]["id"], made["sequence"])
    return int(made["sequence"])


async def entries(
    api: Api, count: int, client: httpx.AsyncClient | None = None, **filters: str
) -> list[dict[str, Any]]:
    """Return the refused requests that the audit tells a client of, or the admin, once there are so many."""

    async def told() -> list[dict[str, Any]]:
        query: dict[str, Any] = {"refused": True, "page_size": 500, **filters}
        query["at_least"] = await api.platform.log.end()
        answer = await (client or api.http).get("/v1/audit", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        assert len(found) >= count
        return found

    return await eventually(told)


def served(routes: Iterable[Any]) -> Iterator[str]:
    """Return method and path of all that answers; `ANY` of what is no route with methods."""
    for route in routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from served(included.routes)
            continue
        for method in getattr(route, "methods", None) or {"ANY"}:
            yield f"{method} {getattr(route, 'path', route)}"


def test_no_route_that_may_change_something_is_left_out_of_the_description() -> None:
    changing = {each for each in served(make_routes().routes) if each.split()[0] in MUTATIONS | {"ANY"}}

    assert changing == mutations()


async def test_every_mutation_without_the_role_for_it_is_refused_and_told_once(equipped_api: Api) -> None:
    api, asked = equipped_api, {}
    names = NAMES | {"sequence": await dead_message(api)}
    routes = sorted(mutations())
    for begin in range(0, len(routes), KINDS_OF_ONE):
        user = f"viewer-{begin}"
        viewer = api.client(await api.key_for(user, default="viewer"))
        for route in routes[begin : begin + KINDS_OF_ONE]:
            method, template = route.split()
            answer = await viewer.request(method, template.format(**names), json={})
            problem(answer, 403, "RoleMissing")
            asked[route] = user, answer.headers["x-request-id"]

    told = await entries(api, len(asked))

    assert {each["action"]: (each["user"], each["request"]) for each in told} == asked
    assert len(told) == len(asked) == len(mutations())
    assert {(each["outcome"], each["status"], each["reason"], each["count"]) for each in told} == {
        ("refused", 403, "RoleMissing", 1)
    }


async def test_what_is_refused_about_a_dead_message_is_told_to_the_admins_of_its_group(
    equipped_api: Api,
) -> None:
    api, sequence = equipped_api, await dead_message(equipped_api)
    viewer = api.client(await api.key_for("eve", default="viewer"))
    deployer = api.client(await api.key_for("dan", default="deployer"))
    admin = api.client(await api.key_for("ada", default="admin"))

    problem(await viewer.post(f"/v1/dead/{sequence}/discard"), 403, "RoleMissing")
    assert (await deployer.post(f"/v1/dead/{sequence}/discard")).is_success
    problem(await deployer.post(f"/v1/dead/{sequence}/discard"), 409, "DeadMessageSettled")
    problem(await deployer.post(f"/v1/dead/{sequence}/retry"), 409, "DeadMessageSettled")

    told = await entries(api, 3, admin, group="default")
    assert {(each["user"], each["action"], each["group"], each["deployment"]) for each in told} == {
        ("eve", "POST /v1/dead/{sequence}/discard", "default", "lost"),
        ("dan", "POST /v1/dead/{sequence}/discard", "default", "lost"),
        ("dan", "POST /v1/dead/{sequence}/retry", "default", "lost"),
    }


@pytest.mark.parametrize("whose", ["revoked", "unknown"])
async def test_a_key_that_opens_nothing_is_told_with_the_route_and_no_user(
    equipped_api: Api, whose: str
) -> None:
    secret = new_key()
    if whose == "revoked":
        made = await equipped_api.http.post(
            "/v1/keys", json={"user": "eve", "grants": [{"group": "*", "role": "viewer"}]}
        )
        secret = made.json()["secret"]
        removed = await equipped_api.http.delete(f"/v1/keys/{made.json()['id']}")
        assert removed.is_success, removed.text
    stranger = equipped_api.client(secret)

    answer = await stranger.post("/v1/groups/default/deployments/digits/stop")

    problem(answer, 401, "KeyUnknown")
    (told,) = await entries(equipped_api, 1)
    assert told["action"] == "POST /v1/groups/{group}/deployments/{deployment}/stop"
    assert (told["status"], told["reason"], told["user"]) == (401, "KeyUnknown", None)
    assert (told["group"], told["deployment"], told["address"]) == ("default", "digits", "127.0.0.1")
    assert secret not in str(told)


async def test_what_the_first_key_of_an_installation_changes_is_told_as_the_admins(
    equipped_api: Api,
) -> None:
    walk = Walk(equipped_api)

    await walk("PUT /v1/groups/{group}", {"description": "Vision"}, group="vision")

    answer = await equipped_api.http.get("/v1/audit", params={"at_least": await walk.platform.log.end()})
    (told,) = answer.json()["items"]
    assert (told["user"], told["action"], told["outcome"]) == ("admin", "group.configured.v1", "accepted")
