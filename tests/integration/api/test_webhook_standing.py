"""What the API says of how a webhook stands: that it may not be reached, what waits, and what comes next."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from api_world import Api, problem, running_api
from eventually import eventually
from slipway_chassis.heartbeats import Heartbeats
from slipway_contracts.events import BuildSucceeded
from slipway_contracts.examples import EXAMPLES
from slipway_contracts.topology import WEBHOOKS
from slipway_contracts.webhooks import WebhookProgress
from webhook_world import Receiver, WebhookWorld

HOOKS = "/v1/groups/default/webhooks"
URL = "https://receiver.example/hook"
PERMISSION = "SLIPWAY_WEBHOOK_PRIVATE_ADDRESSES=true"


@pytest.fixture
async def api(
    world: WebhookWorld, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    file = tmp_path / "recipients.json"
    file.write_text(json.dumps({"notifier": world.public_key}))
    async with running_api(
        connection=world.connection, database_url=await make_database(), folder=tmp_path, secret_keys=file
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine have its time until a notifier has looked at what is new."""
    monkeypatch.setattr("slipway_api.installation.webhook_standing._LOOK_SECONDS", 30.0)


async def asked(api: Api, method: str, path: str, **body: Any) -> dict[str, Any]:
    answer = await api.http.request(method, path, json=body or None, timeout=30)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def until_active(world: WebhookWorld, **settings: str) -> None:
    notifier = await world.start(**settings)
    await eventually(notifier.is_active)


async def test_who_makes_a_webhook_that_may_not_be_reached_is_told_at_once_what_allows_it(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await until_active(world, webhook_private_addresses="false")

    made = await asked(api, "POST", HOOKS, url=receiver.url)
    shown = await asked(api, "GET", f"{HOOKS}/{made['id']}")
    moved = await asked(api, "PATCH", f"{HOOKS}/{made['id']}", url="https://1.1.1.1/hook")
    back = await asked(api, "PATCH", f"{HOOKS}/{made['id']}", url=receiver.url)

    for each in (made, shown, back):
        assert PERMISSION in each["notice"]
        assert "slipway up" in each["notice"]
    assert PERMISSION in made["delivery"]["problem"]
    assert moved["notice"] is None


async def test_who_makes_one_that_may_be_reached_is_told_nothing(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await until_active(world)

    made = await asked(api, "POST", HOOKS, url=receiver.url)

    assert made["notice"] is None
    assert made["delivery"]["problem"] is None


async def test_a_test_of_one_that_waits_for_nothing_tells_of_nothing_that_waited(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    await until_active(world)
    made = await asked(api, "POST", HOOKS, url=receiver.url, types=["release"])
    await world.happen(1)
    await eventually(lambda: len(receiver.asked) == 1)

    pinged = await asked(api, "POST", f"{HOOKS}/{made['id']}/ping")

    assert pinged["delivered"]
    assert pinged["notice"] is None


async def test_one_that_shall_begin_behind_the_end_of_the_log_is_refused_with_that(api: Api) -> None:
    made = await asked(api, "POST", HOOKS, url=URL)
    end = await api.platform.log.end()

    for method, path in (("POST", HOOKS), ("PATCH", f"{HOOKS}/{made['id']}")):
        answer = await api.http.request(method, path, json={"url": URL, "after": 99_999_999})
        document = problem(answer, 422, "InvalidRequest")
        assert end <= document["end"] < 99
        assert f"ends at {document['end']}," in document["detail"]
        assert document["errors"][0]["pointer"] == "#/after"
    assert len((await asked(api, "GET", HOOKS))["items"]) == 1
    assert (await asked(api, "PATCH", f"{HOOKS}/{made['id']}", after=end))["state"] == "active"


async def test_without_a_notifier_it_is_made_and_the_answer_says_that_none_runs(api: Api) -> None:
    made = await asked(api, "POST", HOOKS, url=URL)

    assert made["secret"].startswith("whsec_")
    assert "No notifier runs" in made["notice"]


async def test_what_waits_is_counted_and_the_next_event_is_named(api: Api, world: WebhookWorld) -> None:
    made = await asked(api, "POST", HOOKS, url=URL, types=["release"], deployment="digits")
    first, *_ = await world.happen(3)
    await world.happen(2, deployment="letters")

    pending = (await asked(api, "GET", f"{HOOKS}/{made['id']}"))["pending"]

    assert (pending["events"], pending["more"]) == (3, False)
    assert (pending["first_type"], pending["first_sequence"]) == ("release.ready.v1", first)
    assert pending["first_at"] is not None


async def test_nothing_waits_behind_the_end_of_a_log_that_was_replaced_by_a_shorter_one(
    api: Api, world: WebhookWorld
) -> None:
    made = await asked(api, "POST", HOOKS, url=URL)
    progress = WebhookProgress(begun=made["sequence"], revision=made["sequence"], position=10_000)
    records = Heartbeats(connection=world.connection, bucket=WEBHOOKS.name)
    await records.beat(made["id"], progress.model_dump_json().encode())

    shown = await asked(api, "GET", f"{HOOKS}/{made['id']}")

    assert (shown["pending"]["events"], shown["pending"]["more"]) == (0, False)


async def test_what_means_nothing_in_cdevents_does_not_wait_for_a_webhook_in_cdevents(
    api: Api, world: WebhookWorld
) -> None:
    made = await asked(api, "POST", HOOKS, url=URL, format="cdevents")
    await world.happen(3)
    built = next(each for each in EXAMPLES if isinstance(each, BuildSucceeded))
    sequence = await world.tell(built.model_copy(update={"group": "default"}))

    pending = (await asked(api, "GET", f"{HOOKS}/{made['id']}"))["pending"]

    assert (pending["events"], pending["first_sequence"]) == (1, sequence)


async def test_more_than_is_counted_is_said_to_be_more(
    api: Api, world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway_api.installation.webhook_standing._MOST_COUNTED", 4)
    made = await asked(api, "POST", HOOKS, url=URL, types=["release"])
    await world.happen(6)

    pending = (await asked(api, "GET", f"{HOOKS}/{made['id']}"))["pending"]

    assert (pending["events"], pending["more"]) == (4, True)


async def test_a_receiver_that_fails_is_shown_with_what_waits_when_it_is_tried_and_why_it_failed(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 503
    await until_active(world, webhook_backoff="[3600]")
    made = await asked(api, "POST", HOOKS, url=receiver.url, types=["release"])
    sent = await world.happen(3)

    async def failing() -> dict[str, Any] | None:
        shown = await asked(api, "GET", f"{HOOKS}/{made['id']}")
        return shown if shown["delivery"]["failures"] == 1 else None

    shown = await eventually(failing)
    assert shown is not None
    assert (shown["pending"]["events"], shown["pending"]["first_sequence"]) == (3, sent[0])
    assert shown["delivery"]["next_attempt_at"] is not None
    assert shown["delivery"]["problem"] == "the receiver answered 503 Service Unavailable"

    receiver.status = 204
    pinged = await asked(api, "POST", f"{HOOKS}/{made['id']}/ping")

    assert "sent now" in pinged["notice"]
    await eventually(lambda: receiver.sequences[1:] == sent)

    async def nothing_waits() -> bool:
        return bool((await asked(api, "GET", f"{HOOKS}/{made['id']}"))["pending"]["events"] == 0)

    await eventually(nothing_waits)


async def test_one_that_was_given_up_says_how_it_goes_on_and_a_test_that_it_is_disabled(
    api: Api, world: WebhookWorld, receiver: Receiver
) -> None:
    receiver.status = 500
    await until_active(world, webhook_patience="PT0.2S")
    made = await asked(api, "POST", HOOKS, url=receiver.url, types=["release"])
    sent = await world.happen(2)

    async def given_up() -> dict[str, Any] | None:
        shown = await asked(api, "GET", f"{HOOKS}/{made['id']}")
        return shown if shown["state"] == "failing" else None

    shown = await eventually(given_up)
    assert shown is not None
    assert "Enabled again" in shown["notice"]
    assert shown["pending"]["events"] == 2

    receiver.status = 204
    pinged = await asked(api, "POST", f"{HOOKS}/{made['id']}/ping")
    enabled = await asked(api, "PATCH", f"{HOOKS}/{made['id']}", disabled=False)

    assert "disabled" in pinged["notice"]
    assert (enabled["state"], enabled["notice"]) == ("active", None)
    await eventually(lambda: receiver.sequences[1:] == sent)
