"""Refused requests are in the log: whose, from where, why; bounded, and never with what they carried."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from api_world import Api, problem, running_api
from event_subscriber import subscribed
from eventually import eventually
from servers import NatsServer
from slipway_api.audit.refused_windows import KINDS_OF_ONE
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Stored
from slipway_contracts.commands import Stop
from slipway_contracts.installation_events import RequestRefused

DEPLOYMENTS = "/v1/groups/default/deployments"
REDEPLOY = f"{DEPLOYMENTS}/digits/redeploy"
CANARY = "canary-4711-of-the-audit"


async def refused(log: EventLog) -> list[Stored]:
    return [stored async for stored in log.read("slipway.*._.evt.request.refused", after=0)]


async def told(api: Api, count: int = 1) -> list[RequestRefused]:
    """Return what the log says of refused requests, once there are so many messages."""

    async def enough() -> list[Stored]:
        found = await refused(api.platform.log)
        return found if len(found) >= count else []

    messages = [stored.message for stored in await eventually(enough)]
    assert len(messages) == count
    return [message for message in messages if isinstance(message, RequestRefused)]


async def test_a_refused_mutation_is_told_with_who_where_and_why(api: Api) -> None:
    eve = api.client(await api.key_for("eve", default="viewer"))
    answer = await eve.post(REDEPLOY, json={}, headers={"User-Agent": "curl/8"})

    (message,) = await told(api)
    (stored,) = await refused(api.platform.log)
    document = problem(answer, 403, "RoleMissing")
    origin = stored.envelope.origin
    assert stored.subject == "slipway.default._.evt.request.refused"
    assert (message.group, message.deployment) == ("default", "digits")
    assert message.route == "/v1/groups/{group}/deployments/{deployment}/redeploy"
    assert (message.method, message.status, message.reason) == ("POST", 403, "RoleMissing")
    assert (message.message, message.count, message.untold) == (document["detail"], 1, 0)
    assert origin is not None
    assert (origin.user, origin.address, origin.agent) == ("eve", "127.0.0.1", "curl/8")
    assert origin.request == answer.headers["x-request-id"]


@pytest.mark.parametrize(("key", "reason"), [(None, "KeyMissing"), ("slw_unknown", "KeyUnknown")])
async def test_a_request_without_a_valid_key_is_told_of_nobody(
    api: Api, key: str | None, reason: str
) -> None:
    problem(await api.client(key).delete(f"{DEPLOYMENTS}/digits"), 401, reason)

    (message,) = await told(api)
    (stored,) = await refused(api.platform.log)
    assert (message.reason, message.deployment) == (reason, "digits")
    assert message.route == "/v1/groups/{group}/deployments/{deployment}"
    assert stored.envelope.origin is not None
    assert stored.envelope.origin.user is None
    assert stored.headers["ce-authtype"] == "unauthenticated"


async def test_names_that_the_installation_does_not_know_make_no_subject(api: Api) -> None:
    await api.client(None).put("/v1/groups/made-up/secrets/x", json={})
    await api.http.post("/v1/nothing/here")

    first, second = await told(api, 2)
    assert {stored.subject for stored in await refused(api.platform.log)} == {
        "slipway._._.evt.request.refused"
    }
    assert (first.group, first.route) == (None, "/v1/groups/{group}/secrets/{name}")
    assert (second.route, second.reason, second.message) == ("unrouted", "RouteUnknown", "")


async def test_reads_and_what_a_dry_run_finds_change_nothing_and_are_not_told(api: Api) -> None:
    await api.http.get(f"{DEPLOYMENTS}/missing")
    await api.client(None).get("/v1/deployments")
    await api.http.post(f"{DEPLOYMENTS}/missing/stop", params={"dry_run": "true"})
    await api.http.post(DEPLOYMENTS, params={"dry_run": "true"}, json={"id": "x", "replicas": "many"})
    await api.http.post(f"{DEPLOYMENTS}/missing/stop")

    (message,) = await told(api)
    assert (message.reason, message.dry_run) == ("DeploymentNotFound", False)


async def test_who_may_not_even_try_is_told_of_a_dry_run_too(api: Api) -> None:
    eve = api.client(await api.key_for("eve", default="viewer"))
    for client in (api.client(None), api.client("slw_unknown"), eve):
        await client.post(REDEPLOY, params={"dry_run": "true"}, json={})
    await eve.post(REDEPLOY, json={})

    *tried, meant = [(message.reason, message.dry_run) for message in await told(api, 4)]
    assert tried == [("KeyMissing", True), ("KeyUnknown", True), ("RoleMissing", True)]
    assert meant == ("RoleMissing", False)


async def test_nothing_that_a_request_carried_is_told(api: Api) -> None:
    mistaken = f"slw_{CANARY}"
    await api.http.post(DEPLOYMENTS, json={"id": "x", CANARY: CANARY})
    await api.http.post(DEPLOYMENTS, content=CANARY.encode(), headers={"Content-Type": "application/json"})
    await api.http.post(DEPLOYMENTS, params={"dry_run": CANARY}, json={"id": "x", "version": "v1"})
    await api.http.post(f"{DEPLOYMENTS}/x/deploy", json={"version": mistaken})
    await api.http.post(f"{DEPLOYMENTS}/x/versions/{mistaken}/hide")
    await api.http.post(f"/v1/{CANARY}")
    await api.client(mistaken).post(f"{DEPLOYMENTS}/x/deploy", params={"a": CANARY})

    reasons = [message.reason for message in await told(api, 5 + 1)]
    everything = [f"{stored.headers}{stored.data!r}" for stored in await refused(api.platform.log)]
    assert {"InvalidRequest", "MalformedBody", "VersionNotFound", "RouteUnknown", "KeyUnknown"} <= {*reasons}
    assert CANARY not in "".join(everything)


async def test_like_requests_are_told_at_once_and_as_a_number_when_the_process_ends(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    url = await make_database()
    async with running_api(connection=connection, database_url=url, folder=tmp_path) as api:
        nobody = api.client(None)
        answers = [await nobody.post(REDEPLOY) for _ in range(5)]
        await told(api, 1)

    first, rest = await refused(EventLog(connection=connection))
    messages = [first.message, rest.message]
    assert [message.count for message in messages if isinstance(message, RequestRefused)] == [1, 4]
    assert first.envelope.origin is not None
    assert rest.envelope.origin is not None
    assert first.envelope.origin.request == answers[0].headers["x-request-id"]
    assert rest.envelope.origin.request == answers[-1].headers["x-request-id"]


async def test_a_number_is_told_when_its_time_is_over(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, refusals_within="PT0.1S"
    ) as api:
        nobody = api.client(None)
        for _ in range(7):
            await nobody.post(REDEPLOY)

        async def told_of() -> int:
            messages = [stored.message for stored in await refused(api.platform.log)]
            return sum(message.count for message in messages if isinstance(message, RequestRefused))

        await eventually(lambda: _is(told_of(), 7))


async def _is(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted


async def test_a_flood_of_one_is_bounded_and_its_rest_is_told_as_a_number(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    url = await make_database()
    async with running_api(
        connection=connection, database_url=url, folder=tmp_path, trusted_proxies="127.0.0.1"
    ) as api:
        eve = api.client(await api.key_for("eve", default="viewer"))
        nobody = api.client(None)
        for number in range(KINDS_OF_ONE + 12):
            flooding = {"X-Forwarded-For": "203.0.113.9"}
            await nobody.delete(f"{DEPLOYMENTS}/d{number}", headers=flooding)
        await nobody.delete(f"{DEPLOYMENTS}/d0", headers={"X-Forwarded-For": "203.0.113.10"})
        await eve.post(REDEPLOY, json={})

        *flood, other, last = await told(api, KINDS_OF_ONE + 1 + 2)
        assert {(message.count, message.others, message.untold) for message in flood} == {(1, 0, 0)}
        assert (other.reason, other.deployment) == ("KeyMissing", "d0")
        assert last.reason == "RoleMissing"

    rest = (await refused(EventLog(connection=connection)))[-1]
    assert isinstance(rest.message, RequestRefused)
    assert (rest.message.count, rest.message.others, rest.message.untold) == (1, 10, 0)
    assert rest.envelope.origin is not None
    assert (rest.envelope.origin.user, rest.envelope.origin.address) == (None, "203.0.113.9")
    assert "slipway_refused_requests_untold_total 10.0" in api.service.metrics.render().decode()


async def test_a_log_that_is_away_delays_no_refusal_and_is_told_later(
    api: Api, fresh_nats: NatsServer
) -> None:
    fresh_nats.kill9()
    for number in range(5):
        answer = await api.client(None).delete(f"{DEPLOYMENTS}/d{number}")
        problem(answer, 401, "KeyMissing")
        assert answer.elapsed.total_seconds() < 4
    fresh_nats.start()

    assert [message.deployment for message in await told(api, 5)] == [f"d{number}" for number in range(5)]


async def types(client: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await client.get("/v1/events", params=query)
    assert answer.status_code == 200, answer.text
    assert "authid" not in answer.text
    assert "127.0.0.1" not in answer.text
    return [item["type"].removeprefix("dev.slipway.") for item in answer.json()["items"]]


async def test_refused_requests_are_events_for_admins_who_ask_for_them_and_for_nobody_else(api: Api) -> None:
    await api.http.put("/v1/groups/vision", json={})
    dan = api.client(await api.key_for("dan", default="deployer"))
    ada = api.client(await api.key_for("ada", default="admin", vision="viewer"))
    await dan.delete("/v1/keys/0198b2f4-0000-7000-8000-000000000000")
    await dan.put("/v1/groups/default", json={"description": "mine"})
    await told(api, 2)
    end = str(await api.platform.log.end())

    for client in (api.http, dan, ada):
        assert "request.refused.v1" not in await types(client, at_least=end)
    assert await types(api.http, types="request") == ["request.refused.v1"] * 2
    assert await types(ada, types="request", group="default") == ["request.refused.v1"]
    for client, group in [(dan, {}), (dan, {"group": "default"}), (ada, {}), (ada, {"group": "vision"})]:
        for accept in ("application/json", "text/event-stream"):
            asked = {"types": "build,request.refused", **group}
            answer = await client.get("/v1/events", params=asked, headers={"Accept": accept})
            problem(answer, 403, "RoleMissing")


async def test_the_stream_has_refused_requests_only_for_admins_who_ask(api: Api) -> None:
    async with (
        subscribed(api.http) as everything,
        subscribed(api.http, query={"types": "request,command"}) as audit,
    ):
        await api.client(None).post(REDEPLOY)
        await told(api, 1)
        last = await api.platform.tell(Stop(group="default", deployment="digits", by="x", request_digest="y"))
        await eventually(lambda: everything.ids[-1:] == audit.ids[-1:] == [last])

    assert everything.types == ["command.stop.v1"]
    assert audit.types == ["request.refused.v1", "command.stop.v1"]
    assert "127.0.0.1" not in audit.events[0].data
