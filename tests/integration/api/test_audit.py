"""The audit: who did what from where, and what was refused; for admins, as pages and as lines of JSON."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import Api, problem, running_api
from eventually import eventually
from servers import PostgresServer
from slipway_api.reading.paging import LARGEST_PAGE
from slipway_chassis.connection import Connection
from slipway_contracts.commands import Stop
from slipway_contracts.envelope import Origin
from slipway_store.connections import connect
from slipway_store.migrate import upgrade

AUDIT = "/v1/audit"
DIGITS = "/v1/groups/default/deployments/digits"
NOWHERE = "/v1/groups/default/deployments/nowhere"


async def audit(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def lines(client: httpx.AsyncClient, media_type: str = "application/jsonl", **query: Any) -> list[Any]:
    answer = await client.get(AUDIT, params=query, headers={"Accept": media_type})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    return [json.loads(line) for line in answer.text.splitlines()]


async def refused(api: Api, count: int) -> list[dict[str, Any]]:
    """Return the refused requests, once the projection has so many."""

    async def enough() -> list[dict[str, Any]]:
        found = await audit(api.http, refused=True)
        return found if len(found) == count else []

    return await eventually(enough)


async def asked(api: Api, count: int, *, user: str = "ada", **owner: str) -> list[int]:
    """Let the log hold commands that somebody asked for."""
    told: list[int] = []
    for number in range(count):
        stop = Stop(**{"group": "default", "deployment": "digits"} | owner, by=user, request_digest="x")
        told.append(await api.platform.tell(stop, origin=Origin(user=user, request=f"r{number}")))
    await api.http.get("/v1/events", params={"at_least": told[-1], "page_size": 1})
    return told


async def fill(api: Api, *, rows: int) -> None:
    """Let the projection hold more entries than the sockets of one connection do."""
    connection = await connect(api.projector.database_url)
    await connection.execute(
        "insert into event (sequence, id, type, subject, source, time, origin, body) select n, 'e' || n, "
        "'command.stop.v1', 'x', 'x', now(), jsonb_build_object('request', repeat('r', 200)), '{}' "
        "from generate_series(1000, 1000 + $1::bigint) as n",
        rows,
    )
    await connection.close()


async def test_an_accepted_command_is_told_with_its_operation(api: Api) -> None:
    await api.platform.publish_version()
    answer = await api.create(headers={"User-Agent": "pipeline/7"})

    accepted = answer.json()
    command, claim = (await audit(api.http, at_least=accepted["sequence"]))[:2]

    assert (command["action"], command["outcome"]) == ("command.deploy.v1", "accepted")
    assert (command["user"], command["address"], command["agent"]) == ("admin", "127.0.0.1", "pipeline/7")
    assert command["request"] == answer.headers["x-request-id"] == claim["request"]
    assert (command["group"], command["deployment"]) == ("default", "digits")
    assert command["operation"] == accepted["operation"]["id"]
    assert command["sequence"] == accepted["sequence"]
    assert (claim["action"], claim["details"], claim["operation"]) == (
        "name.claimed.v1",
        {"name": "digits"},
        None,
    )


async def test_a_refused_request_is_told_with_status_and_reason(api: Api) -> None:
    answer = await api.http.post(f"{NOWHERE}/stop")

    (entry,) = await refused(api, 1)

    document = problem(answer, 404, "DeploymentNotFound")
    assert entry["action"] == "POST /v1/groups/{group}/deployments/{deployment}/stop"
    assert (entry["outcome"], entry["status"], entry["reason"]) == ("refused", 404, "DeploymentNotFound")
    assert (entry["message"], entry["count"], entry["untold"]) == (document["detail"], 1, 0)
    assert (entry["user"], entry["group"], entry["deployment"]) == ("admin", "default", "nowhere")
    assert entry["request"] == document["request_id"]
    assert entry["operation"] is None


async def test_what_changes_no_deployment_is_told_by_its_names_without_secrets(api: Api) -> None:
    secret = await api.key_for("bob", default="viewer")

    (entry,) = await audit(api.http, at_least=await api.platform.log.end())

    assert entry["action"] == "key.configured.v1"
    assert (entry["details"]["user"], entry["details"]["revoked"]) == ("bob", False)
    assert (entry["user"], entry["group"]) == ("admin", None)
    assert secret not in json.dumps(entry)


async def test_admins_see_what_they_administer_and_others_are_refused(api: Api) -> None:
    await api.http.put("/v1/groups/vision", json={})
    eve = api.client(await api.key_for("eve", default="deployer", vision="viewer"))
    ada = api.client(await api.key_for("ada", default="admin", vision="viewer"))
    await asked(api, 1, group="vision")
    mine = await asked(api, 2)

    for client, query in [(eve, {}), (eve, {"group": "default"}), (ada, {"group": "vision"})]:
        for accept in ("application/json", "application/x-ndjson"):
            answer = await client.get(AUDIT, params=query, headers={"Accept": accept})
            assert problem(answer, 403, "RoleMissing")["role_needed"] == "admin"
    problem(await api.client(None).get(AUDIT), 401, "KeyMissing")

    assert [entry["sequence"] for entry in await audit(ada)] == mine[::-1]
    assert await audit(ada, group="default") == await audit(ada)
    assert {entry["group"] for entry in await audit(api.http)} == {None, "default", "vision"}
    assert {entry["group"] for entry in await audit(api.http, group="vision")} == {"vision"}


async def test_filters_leave_what_they_name(api: Api) -> None:
    first = await asked(api, 2)
    second = await asked(api, 1, user="bob", deployment="other")
    await api.http.post(f"{NOWHERE}/stop")
    (entry,) = await refused(api, 1)
    times = {each["sequence"]: each["time"] for each in await audit(api.http)}

    async def found(**query: Any) -> list[int]:
        return [each["sequence"] for each in await audit(api.http, **query)]

    assert await found() == [entry["sequence"], *second, *first[::-1]]
    assert await found(user="bob") == second
    assert await found(group="default", deployment="nowhere") == [entry["sequence"]]
    assert await found(deployment="other") == second
    assert await found(refused=False) == [*second, *first[::-1]]
    assert await found(since=times[first[1]], until=times[second[0]]) == [first[1]]
    assert await found(**{"from": first[1]}) == [entry["sequence"], *second]
    for wrong in ({"user": "a\x00"}, {"since": "yesterday"}, {"refused": "perhaps"}, {"group": "A"}):
        problem(await api.http.get(AUDIT, params=wrong), 422, "InvalidRequest")


async def test_pages_go_on_where_the_last_one_ended(api: Api) -> None:
    told = await asked(api, 5)
    found: list[int] = []
    query: dict[str, Any] = {"page_size": 2}

    while query.get("page_token", "begin"):
        answer = (await api.http.get(AUDIT, params=query)).json()
        found += [each["sequence"] for each in answer["items"]]
        await asked(api, 1)
        query["page_token"] = answer["next_page_token"]

    assert found == told[::-1]


async def test_an_export_that_broke_off_goes_on_behind_its_last_line(api: Api) -> None:
    told = await asked(api, 7)

    whole = await lines(api.http, order="oldest")
    rest = await lines(api.http, order="oldest", **{"from": whole[2]["sequence"]})
    of_a_time = await lines(api.http, order="oldest", since=whole[3]["time"])

    assert [each["sequence"] for each in whole] == told
    assert rest == whole[3:]
    assert of_a_time == whole[3:]
    assert await audit(api.http, order="oldest", page_size=3) == whole[:3]


async def test_an_export_that_is_ended_too_early_breaks_off_instead_of_seeming_whole(api: Api) -> None:
    await fill(api, rows=50_000)

    async with api.client(api.key).stream("GET", AUDIT, headers={"Accept": "application/jsonl"}) as answer:
        chunks = answer.aiter_raw()
        begin = await anext(chunks)
        api.service.stopping.set()
        with pytest.raises(httpx.RemoteProtocolError):
            _ = [chunk async for chunk in chunks]

    assert begin


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "application/jsonl"])
async def test_an_export_has_every_entry_as_a_line(api: Api, media_type: str) -> None:
    told = await asked(api, LARGEST_PAGE + 3)
    await asked(api, 2, user="bob")

    exported = await lines(api.http, media_type, user="ada")

    assert [each["sequence"] for each in exported] == told[::-1]
    assert exported[:5] == await audit(api.http, user="ada", page_size=5)
    assert await lines(api.http, media_type, user="nobody") == []


async def test_an_export_of_a_projection_that_is_away_is_refused_before_it_begins(
    connection: Connection, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    await upgrade(own_postgres.url())
    async with running_api(connection=connection, database_url=own_postgres.url(), folder=tmp_path) as api:
        own_postgres.kill9()
        answer = await api.http.get(AUDIT, headers={"Accept": "application/jsonl"})
        problem(answer, 503, "ProjectionUnavailable")


async def asked_for(api: Api, answer: httpx.Response, action: str) -> Any:
    """Return the message behind an entry of the audit, as the docs say how it is found."""

    async def entry() -> dict[str, Any] | None:
        found = await audit(api.http, page_size=50)
        mine = [each for each in found if each["request"] == answer.headers["x-request-id"]]
        return next((each for each in mine if each["action"] == action), None)

    found = await eventually(entry)
    query = {"from": found["sequence"] - 1, "types": found["action"], "page_size": 1}
    (event,) = (await api.http.get("/v1/events", params=query)).json()["items"]
    assert event["id"] == found["id"]
    return event["data"]


async def test_an_entry_leads_to_all_that_was_asked_for_and_to_no_value_of_a_secret(
    equipped_api: Api,
) -> None:
    api, members = equipped_api, [{"user": "ada", "role": "viewer"}]
    environment = {"MODE": "fast", "TOKEN": {"secret": "token"}}
    await api.platform.publish_version()

    secret = await api.http.put("/v1/groups/default/secrets/token", json={"value": "canary"})
    deploy = await api.create(environment=environment, metadata={"team": "vision"})
    group = await api.http.put("/v1/groups/vision", json={"members": members})
    hook = {"url": "https://x.example/", "types": ["build"]}
    webhook = await api.http.post("/v1/groups/default/webhooks", json=hook)

    config = (await asked_for(api, deploy, "command.deploy.v1"))["request"]["config"]
    assert config["environment"] == {"MODE": "fast", "TOKEN": {"secret": "token", "version": 1}}
    assert config["metadata"] == {"team": "vision"}
    assert (await asked_for(api, group, "group.configured.v1"))["members"] == members
    assert (await asked_for(api, webhook, "webhook.configured.v1"))["types"] == ["build"]
    assert "canary" not in str(await asked_for(api, secret, "secret.configured.v1"))
