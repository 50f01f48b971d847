"""Records that a newer release wrote: what is decided on them is refused, and reads do without."""

from datetime import timedelta
from typing import Any

import pytest
from api_stage import Stage
from api_world import Api, problem
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.jetstream_api import publish
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.topology import GATEWAYS
from slipway_store.connections import connect

DEPLOYMENTS = "/v1/groups/default/deployments"
DESIRED = "deployment.desired.v9"
NEWER = b'{"type": "deployment.desired.v9", "wanted": "twice"}'
CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "deploy", {"version": "20260101.1"}),
    ("POST", "redeploy", {}),
    ("POST", "update", {}),
    ("POST", "restart", None),
    ("POST", "scale", {"replicas": 2}),
    ("POST", "rollback", None),
    ("PATCH", "", {"description": "other"}),
    ("PATCH", "", {"name": "figures"}),
    ("PUT", "aliases/staging", {"release": 1}),
    ("PUT", "releases/1/pin", None),
    ("DELETE", "releases/1/pin", None),
    ("POST", "access/keys", {"name": "k"}),
]


async def write(log: EventLog, subject: str, kind: str, body: bytes = NEWER) -> None:
    """Put what a newer release wrote into the log."""
    envelope = Envelope(id=new_id(), type=kind, source="/newer", subject="default/digits", time=now())
    await publish(log._connection, subject, body, headers=envelope.to_headers(), within=5)


@pytest.fixture
async def upgraded(equipped_api: Api) -> Api:
    """A deployment, called numbers, of which a newer deployer wrote the last decision."""
    api = equipped_api
    await api.platform.publish_version()
    await api.create(settings={"name": "numbers"})
    await Stage(platform=api.platform).take()
    await api.http.get("/v1/deployments", params={"at_least": await api.platform.log.end()})
    await write(api.platform.log, subjects.desired("default", "digits"), DESIRED)
    return api


@pytest.mark.parametrize("name", ["digits", "numbers"])
async def test_it_is_shown_and_listed_by_id_and_by_name(upgraded: Api, name: str) -> None:
    query = {"at_least": await upgraded.platform.log.end()}

    for path in ("", "/aliases", "/history", "/versions", "/access", "/timeline"):
        answer = await upgraded.http.get(f"{DEPLOYMENTS}/{name}{path}", params=query)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_no_change_is_decided_without_it(upgraded: Api, method: str, path: str, body: Any) -> None:
    before = await upgraded.commands()

    for name in ("digits", "numbers"):
        url = f"{DEPLOYMENTS}/{name}/{path}".rstrip("/")
        answer = await upgraded.http.request(method, url, json=body)
        document = problem(answer, 503, "RecordUnreadable")
        assert "upgrade" in document["hint"]
        assert document["subject"] == subjects.desired("default", "digits")
        assert (document["record_type"], document["writer"]) == (f"dev.slipway.{DESIRED}", "/newer")

    assert await upgraded.commands() == before


@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_what_rests_on_no_decision_is_accepted(upgraded: Api, verb: str) -> None:
    answer = await upgraded.http.post(f"{DEPLOYMENTS}/numbers/{verb}")

    assert answer.status_code == 202, answer.text


async def test_a_purge_of_which_a_newer_record_tells_is_refused_and_not_guessed(upgraded: Api) -> None:
    assert (await upgraded.http.post(f"{DEPLOYMENTS}/numbers/purge")).status_code == 202

    for verb in ("purge", "undelete", "stop"):
        problem(await upgraded.http.post(f"{DEPLOYMENTS}/digits/{verb}"), 503, "RecordUnreadable")
    problem(await upgraded.create(), 503, "RecordUnreadable")


async def test_a_name_that_a_newer_record_may_hold_is_not_given_away(upgraded: Api) -> None:
    source = await upgraded.upload()

    answer = await upgraded.create("other", version=None, source=source, settings={"name": "numbers"})

    problem(answer, 503, "RecordUnreadable")
    assert await upgraded.commands("other") == []


async def test_a_name_with_a_newer_claim_is_not_given_away(upgraded: Api) -> None:
    source = await upgraded.upload()
    await write(upgraded.platform.log, subjects.name_claim("default", "sums"), "name.claimed.v9")

    answer = await upgraded.create("sums", version=None, source=source)
    shown = await upgraded.http.get(f"{DEPLOYMENTS}/sums")

    problem(answer, 503, "RecordUnreadable")
    problem(shown, 404, "DeploymentNotFound")


@pytest.mark.parametrize(
    "change",
    ["update deployment set state = 'RESTING'", """update deployment set facts = '{"shape": "unknown"}'"""],
)
async def test_rows_of_a_newer_projector_are_told_as_such(upgraded: Api, change: str) -> None:
    connection = await connect(upgraded.projector.database_url)
    await connection.execute(change)
    await connection.close()

    answer = await upgraded.http.get(f"{DEPLOYMENTS}/digits")

    assert "upgrade" in problem(answer, 503, "RecordUnreadable")["hint"]


async def test_newer_events_of_the_installation_are_passed_over(upgraded: Api) -> None:
    nouns = ("group", "key", "instance-type", "target", "secret", "name", "artifact", "webhook")
    for noun in nouns:
        await write(upgraded.platform.log, f"slipway._._.evt.{noun}.changed", f"{noun}.changed.v9")
        await write(upgraded.platform.log, f"slipway.default._.evt.{noun}.x", f"{noun}.changed.v9")

    made = await upgraded.http.put("/v1/groups/vision", json={})
    listed = await upgraded.http.get("/v1/groups")

    assert made.is_success, made.text
    assert "vision" in {each["name"] for each in listed.json()["items"]}


async def test_a_gateway_whose_removal_a_newer_api_noted_is_told_as_not_found(
    upgraded: Api, connection: Connection
) -> None:
    heartbeats = Heartbeats(connection=connection, bucket=GATEWAYS.name)
    record = GatewayRecord(gateway="edge-2", applied=1, at=now() - timedelta(hours=1))
    sequence = await heartbeats.beat("edge-2", record.model_dump_json().encode())
    await heartbeats.remove("edge-2", expect=sequence, note=b'{"type": "gateway.removed.v9"}')

    problem(await upgraded.http.delete("/v1/gateways/edge-2"), 404, "GatewayNotFound")
