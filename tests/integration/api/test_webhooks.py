"""Webhooks by the API: who may manage them, what is shown of them, and that a notifier goes by it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cdevents_schema
import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem, running_api
from eventually import eventually
from slipway_api.installation import webhooks
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.secrets import make_key_pair
from slipway_contracts.envelope import new_id
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError
from webhook_world import Receiver, WebhookWorld

HOOKS = "/v1/groups/default/webhooks"
URL = "https://receiver.example/hook"


@asynccontextmanager
async def api_with(
    recipients: dict[str, str], connection: Connection, database_url: str, folder: Path
) -> AsyncIterator[Api]:
    file = folder / "recipients.json"
    file.write_text(json.dumps(recipients))
    async with running_api(
        connection=connection, database_url=database_url, folder=folder, secret_keys=file
    ) as running:
        yield running


@pytest.fixture
async def api(
    world: WebhookWorld, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api that can seal to the notifier of this world, and to a deployer."""
    recipients = {"notifier": world.public_key, "deployer": make_key_pair().public}
    async with api_with(recipients, world.connection, await make_database(), tmp_path) as running:
        yield running


async def make(client: httpx.AsyncClient, path: str = HOOKS, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{path}/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    return made


async def test_what_is_made_here_is_sent_and_verified_with_the_secret_that_was_shown(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start()
    made = await make(api.http, url=receiver.url, types=["release"])

    sent = await world.happen(3)
    await eventually(lambda: receiver.sequences == sent)

    assert all(Verifier(made["secret"]).verify(each.body, each.headers) for each in receiver.taken)

    async def delivered() -> bool:
        shown = (await api.http.get(f"{HOOKS}/{made['id']}")).json()
        return bool(shown["delivery"] and shown["delivery"]["position"] >= sent[-1])

    await eventually(delivered)


async def test_a_record_that_nobody_can_read_is_no_matter_of_any_request(
    api: Api, world: WebhookWorld
) -> None:
    made = await make(api.http)
    path = f"{HOOKS}/{made['id']}"
    await world.note(new_id(), b"damaged")
    await world.note(made["id"], b'{"begun": "in a form to come"}')

    shown = await api.http.get(path)
    listed = await api.http.get(HOOKS)
    changed = await api.http.patch(path, json={"description": "new"})
    rotated = await api.http.post(f"{path}/rotate", json={"grace_seconds": 0})

    assert [each.status_code for each in (shown, listed, changed, rotated)] == [200, 200, 200, 200]
    assert changed.json()["description"] == "new"
    assert shown.json()["delivery"] is None


async def test_a_rotated_secret_signs_beside_the_one_before(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start()
    made = await make(api.http, url=receiver.url, types=["release"])

    first = await api.http.post(f"{HOOKS}/{made['id']}/rotate", json={"grace_seconds": 3600})
    await world.happen()
    await eventually(lambda: receiver.taken)
    second = await api.http.post(f"{HOOKS}/{made['id']}/rotate", json={"grace_seconds": 0})
    await world.happen()
    await eventually(lambda: len(receiver.taken) == 2)

    both, late = receiver.taken
    secrets = [made["secret"], first.json()["secret"], second.json()["secret"]]
    assert len(set(secrets)) == 3
    for secret in secrets[:2]:
        Verifier(secret).verify(both.body, both.headers)
    Verifier(secrets[2]).verify(late.body, late.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(secrets[1]).verify(late.body, late.headers)


async def test_a_webhook_that_answered_410_is_removed_and_who_asks_for_it_is_told_why(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 410
    await world.start()
    made = await make(api.http, url=receiver.url, types=["release"])
    (sent,) = await world.happen()

    async def document_of_what_is_gone() -> Mapping[str, Any]:
        return problem(await api.http.get(f"{HOOKS}/{made['id']}"), 404, "WebhookNotFound")

    document = await eventually(document_of_what_is_gone)
    assert "410 Gone" in document["detail"]
    assert receiver.url in document["detail"]
    assert document["removed_because"] == "gone"
    assert (await api.http.get(HOOKS)).json()["items"] == []

    receiver.status = 200
    await make(api.http, url=receiver.url, types=["release"], after=document["position"])
    await eventually(lambda: receiver.sequences == [sent])


async def ping(api: Api, webhook: str) -> dict[str, Any]:
    answer = await api.http.post(f"{HOOKS}/{webhook}/ping", timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_ping_is_sent_at_once_signed_and_its_answer_is_told(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start()
    made = await make(api.http, url=receiver.url, types=["release"])
    await api.http.patch(f"{HOOKS}/{made['id']}", json={"disabled": True})

    well = await ping(api, made["id"])
    receiver.status = 500
    badly = await ping(api, made["id"])
    await api.http.patch(f"{HOOKS}/{made['id']}", json={"url": "http://127.0.0.1:1/"})
    nowhere = await ping(api, made["id"])

    first = receiver.asked[0]
    verified = Verifier(made["secret"]).verify(first.body, first.headers)
    assert verified["type"] == "dev.slipway.webhook.pinged.v1"
    assert verified["data"]["webhook"] == made["id"]
    assert (well["delivered"], well["status"], well["problem"]) == (True, 204, None)
    assert 0 < well["seconds"] < 15
    assert first.sequence == well["sequence"]
    assert (badly["delivered"], badly["status"]) == (False, 500)
    assert "500" in badly["problem"]
    assert (nowhere["delivered"], nowhere["status"]) == (False, None)
    assert nowhere["problem"] == "it cannot be reached: Connection refused"
    assert len(receiver.asked) == 2


async def test_a_ping_overtakes_what_waits_and_one_that_fails_leaves_the_failures_as_they_are(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 503
    await world.start(webhook_backoff="[3600]")
    made = await make(api.http, url=receiver.url, types=["release"])
    await world.happen(3)

    async def fails() -> bool:
        shown = (await api.http.get(f"{HOOKS}/{made['id']}")).json()
        return bool(shown["delivery"] and shown["delivery"]["failures"] == 1)

    await eventually(fails)
    refused = len(receiver.asked)
    answer = await ping(api, made["id"])

    assert not answer["delivered"]
    assert await fails()
    types = [each.event["type"] for each in receiver.asked[refused:]]
    assert types == ["dev.slipway.webhook.pinged.v1"]


async def test_a_webhook_in_cdevents_is_pinged_with_a_custom_cdevent(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start()
    made = await make(api.http, url=receiver.url, format="cdevents")

    answer = await ping(api, made["id"])

    assert answer["delivered"]
    (taken,) = receiver.taken
    data = Verifier(made["secret"]).verify(taken.body, taken.headers)["data"]
    cdevents_schema.check(data)
    assert data["context"]["type"] == "dev.cdeventsx.slipway-webhook.pinged.0.1.0"


async def test_a_ping_that_no_notifier_answers_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_PING_SECONDS", 0.3)
    made = await make(api.http)

    problem(await api.http.post(f"{HOOKS}/{made['id']}/ping"), 503, "WebhookUnanswered")
    problem(await api.http.post(f"{HOOKS}/{new_id()}/ping"), 404, "WebhookNotFound")


async def test_the_format_is_shown_and_can_be_changed(api: Api) -> None:
    made = await make(api.http, format="cdevents")
    path = f"{HOOKS}/{made['id']}"

    changed = (await api.http.patch(path, json={"format": None})).json()
    again = (await api.http.patch(path, json={"format": "cdevents"})).json()

    assert [made["format"], changed["format"], again["format"]] == ["cdevents", "cloudevents", "cdevents"]


async def test_a_disabled_webhook_gets_nothing_and_goes_on_where_it_is_told_to(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await world.start()
    made = await make(api.http, url=receiver.url, types=["release"])
    other = await make(api.http, url=receiver.url, types=["release"], description="other")
    await api.http.patch(f"{HOOKS}/{made['id']}", json={"disabled": True})

    missed = await world.happen(2)
    await eventually(lambda: receiver.sequences == missed)
    await api.http.delete(f"{HOOKS}/{other['id']}")
    await api.http.patch(f"{HOOKS}/{made['id']}", json={"disabled": False, "after": missed[0]})

    await eventually(lambda: receiver.sequences == [*missed, missed[1]])


async def test_a_patch_changes_what_it_names_and_null_puts_back_the_default(api: Api) -> None:
    made = await make(api.http, types=["release"], deployment="digits", description="pages ops")

    answer = await api.http.patch(
        f"{HOOKS}/{made['id']}",
        json={"types": ["build", "release.failed"], "deployment": None, "url": None, "disabled": None},
    )

    changed = answer.json()
    assert answer.status_code == 200, answer.text
    assert changed["types"] == ["build", "release.failed"]
    assert (changed["deployment"], changed["description"], changed["url"]) == (None, "pages ops", URL)


async def test_many_changes_at_once_are_all_made(api: Api) -> None:
    made = await make(api.http)
    path = f"{HOOKS}/{made['id']}"

    changes: list[dict[str, Any]] = [{"description": "new"}, {"types": ["build"]}, {"deployment": "digits"}]
    answers = await asyncio.gather(*(api.http.patch(path, json=change) for change in changes))

    assert {answer.status_code for answer in answers} == {200}
    shown = (await api.http.get(path)).json()
    assert {name: shown[name] for change in changes for name in change} == {
        name: value for change in changes for name, value in change.items()
    }


async def test_only_admins_of_the_group_manage_its_webhooks_and_only_admins_of_all_those_of_all(
    api: Api,
) -> None:
    admin = api.client(await api.key_for("ada", default="admin"))
    deployer = api.client(await api.key_for("bob", default="deployer"))
    of_group = await make(admin)
    of_all = await make(api.http, "/v1/webhooks")

    for client, path in ((deployer, HOOKS), (admin, "/v1/webhooks")):
        problem(await client.get(path), 403, "RoleMissing")
        problem(await client.post(path, json={"url": URL}), 403, "RoleMissing")
        problem(await client.delete(f"{path}/{of_all['id']}"), 403, "RoleMissing")
    problem(await admin.get(f"{HOOKS}/{of_all['id']}"), 404, "WebhookNotFound")
    problem(await api.http.get(f"/v1/webhooks/{of_group['id']}"), 404, "WebhookNotFound")
    assert [each["id"] for each in (await admin.get(HOOKS)).json()["items"]] == [of_group["id"]]
    assert [each["id"] for each in (await api.http.get("/v1/webhooks")).json()["items"]] == [of_all["id"]]


async def test_a_removed_webhook_is_not_there_any_more(api: Api) -> None:
    made = await make(api.http)

    removed = await api.http.delete(f"{HOOKS}/{made['id']}")

    assert removed.status_code == 204
    for again in (api.http.get, api.http.delete):
        problem(await again(f"{HOOKS}/{made['id']}"), 404, "WebhookNotFound")
    problem(await api.http.post(f"{HOOKS}/{made['id']}/rotate", json={}), 404, "WebhookNotFound")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "ftp://receiver.example"),
        ("url", "receiver.example"),
        ("url", "https://ada:secret@receiver.example"),
        ("url", "https://receiver.example/#part"),
        ("types", ["relase"]),
        ("types", ["release.li"]),
        ("format", "xml"),
        ("after", -1),
    ],
)
async def test_what_cannot_be_sent_to_or_never_comes_is_refused(api: Api, field: str, value: Any) -> None:
    answer = await api.http.post(HOOKS, json={"url": URL, field: value})

    document = problem(answer, 422, "InvalidRequest")
    assert document["errors"][0]["pointer"].startswith(f"#/{field}")
    assert "ada:secret" not in answer.text


async def test_without_a_key_of_a_notifier_none_can_be_made(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    recipients = {"deployer": make_key_pair().public}
    async with api_with(recipients, connection, await make_database(), tmp_path) as api:
        problem(await api.http.post(HOOKS, json={"url": URL}), 503, "SecretsUnavailable")


async def test_there_are_no_more_than_a_hundred(api: Api) -> None:
    for _ in range(100):
        await make(api.http)

    problem(await api.http.post(HOOKS, json={"url": URL}), 409, "TooManyWebhooks")


async def test_a_secret_is_sealed_to_the_notifier_alone_and_shown_in_no_other_place(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await make(api.http)
    rotated = (await api.http.post(f"{HOOKS}/{made['id']}/rotate", json={})).json()
    await api.http.put("/v1/groups/default/secrets/token", json={"value": "x"})

    boxes = EventLog(connection=api.service.connection, stream="KV_webhook-secrets")
    sealed = [each.data.decode() async for each in boxes.read("$KV.>", after=0)]
    of_groups = EventLog(connection=api.service.connection, stream="KV_secrets")
    group_secrets = [each.data.decode() async for each in of_groups.read("$KV.>", after=0)]
    bodies = [each.data.decode() async for each in api.platform.log.read("slipway.>", after=0)]
    shown = (await api.http.get(f"{HOOKS}/{made['id']}")).text + (await api.http.get(HOOKS)).text
    rows = await api.dump()
    printed = capfd.readouterr()

    assert [set(json.loads(box)) for box in sealed] == [{"notifier"}, {"notifier"}]
    assert [set(json.loads(box)) for box in group_secrets] == [{"deployer"}]
    for secret in (made["secret"], rotated["secret"]):
        for text in (*sealed, *bodies, shown, rows, printed.out, printed.err):
            assert secret.removeprefix("whsec_") not in text


async def test_a_webhook_of_what_is_named_is_one_of_the_id(api: Api) -> None:
    await api.upload()
    body = {"id": "digits", "source": SOURCE_DIGEST, "settings": {"name": "numbers"}}
    assert (await api.http.post("/v1/groups/default/deployments", json=body)).status_code == 202

    made = await make(api.http, deployment="numbers")
    hook = f"{HOOKS}/{made['id']}"
    of_all = await api.http.patch(hook, json={"deployment": None})
    changed = await api.http.patch(hook, json={"deployment": "numbers"})

    assert made["deployment"] == "digits"
    assert [each.json()["deployment"] for each in (of_all, changed)] == [None, "digits"]
