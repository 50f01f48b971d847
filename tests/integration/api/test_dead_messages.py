"""Messages that services gave up: seen by viewers, retried and discarded by deployers, each once."""

import asyncio
from typing import Any

import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem
from slipway_chassis.event_log import Stored
from slipway_chassis.jetstream_api import publish
from slipway_contracts.commands import Build, Deploy
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import MessageDead, OperationFailed, OperationSucceeded
from slipway_contracts.failure import FailureRecord, Reason, Stage

DEPLOYMENT = "/v1/groups/default/deployments/digits"
OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}


async def message_at(api: Api, sequence: int) -> Stored:
    stored = await api.platform.log.get(sequence)
    assert stored is not None
    return stored


async def bury(api: Api, sequence: int, *, service: str = "deployer", ends: bool = True) -> int:
    """Say that a message is given up, as a service does, and return where that is said."""
    stored = await message_at(api, sequence)
    operation = stored.headers.get("ce-id", "unknown")
    failure = FailureRecord(
        stage=Stage.COMMAND, reason=Reason.MESSAGE_DEAD, message="gave up", hint="retry", at=now()
    )
    if ends:
        await api.platform.tell(OperationFailed(**OWNER, operation=operation, failure=failure))
        await api.platform.tell(Desired(**OWNER, position=sequence))
    return await api.platform.tell(
        MessageDead(
            **OWNER,
            service=service,
            sequence=sequence,
            message_id=operation,
            message_type=stored.headers.get("ce-type", "unknown").removeprefix("dev.slipway."),
            deliveries=20,
            error="PermanentError: the disk is on fire",
        )
    )


async def poison(api: Api, subject: str, body: bytes, **envelope: Any) -> int:
    """Put a message into the log by hand."""
    made = {"id": new_id(), "source": "/test", "subject": "default/digits", "time": now(), **envelope}
    answer = await publish(
        api.platform.log._connection, subject, body, headers=Envelope(**made).to_headers(), within=5
    )
    return int(answer["seq"])


@pytest.fixture
async def dead(api: Api) -> int:
    """The sequence of a deploy that was given up."""
    await api.platform.publish_version()
    accepted = await api.create(replicas=2, settings={"name": "numbers"})
    sequence = int(accepted.json()["sequence"])
    await bury(api, sequence)
    return sequence


@pytest.fixture
async def viewer(api: Api) -> httpx.AsyncClient:
    return api.client(await api.key_for("eve", default="viewer"))


async def retry(api: Api, sequence: int, **headers: str) -> httpx.Response:
    return await api.http.post(f"/v1/dead/{sequence}/retry", headers=headers)


async def test_a_viewer_sees_it_in_the_list_and_as_it_lies_in_the_log(
    api: Api, dead: int, viewer: httpx.AsyncClient
) -> None:
    end = await api.platform.log.end()

    page = (await viewer.get("/v1/dead", params={"at_least": end, "group": "default"})).json()
    shown = (await viewer.get(f"/v1/dead/{dead}")).json()

    (listed,) = page["items"]
    assert (listed["sequence"], listed["state"], listed["service"]) == (dead, "open", "deployer")
    assert (listed["message_type"], listed["deliveries"]) == ("command.deploy.v1", 20)
    assert listed["error"] == "PermanentError: the disk is on fire"
    assert shown.items() >= listed.items()
    assert shown["subject"] == "slipway.default.digits.cmd.deployer.deploy"
    assert shown["headers"]["ce-id"] == listed["message_id"]
    assert shown["body"]["request"]["config"]["replicas"] == 2
    assert (shown["problem"], shown["retriable"], shown["instead"]) == (None, True, None)


async def test_what_cannot_be_read_is_shown_and_refused_and_can_be_discarded(api: Api) -> None:
    subject = "slipway.default.digits.cmd.deployer.deploy"
    sequence = await poison(api, subject, b"\xff{no JSON", type="command.deploy.v1")
    await bury(api, sequence)

    shown = (await api.http.get(f"/v1/dead/{sequence}")).json()
    refused = problem(await retry(api, sequence), 422, "DeadMessageUnreadable")
    discarded = await api.http.post(f"/v1/dead/{sequence}/discard")

    assert shown["body"] == "�{no JSON"
    assert "command.deploy.v1" in shown["problem"]
    assert (shown["retriable"], shown["instead"]) == (False, refused["hint"])
    assert (discarded.json()["state"], discarded.json()["settled_by"]) == ("discarded", "admin")


async def test_a_message_without_an_envelope_is_shown(api: Api) -> None:
    subject = "slipway.default.digits.cmd.builder.build"
    answer = await publish(api.platform.log._connection, subject, b'{"a": 1}', headers={}, within=5)
    await bury(api, int(answer["seq"]), service="builder", ends=False)

    shown = (await api.http.get(f"/v1/dead/{answer['seq']}")).json()

    assert shown["body"] == {"a": 1}
    assert "header" in shown["problem"]


async def test_a_retry_is_a_new_command_told_in_one_batch_with_what_it_replaces(api: Api, dead: int) -> None:
    answer = await retry(api, dead)

    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    said, command = [await message_at(api, accepted["sequence"] + step) for step in (-1, 0)]
    old = await message_at(api, dead)
    assert command.envelope.id == accepted["operation"]["id"] != old.envelope.id
    assert command.envelope.causation_id == said.envelope.causation_id == old.envelope.id
    assert isinstance(command.message, Deploy)
    assert isinstance(old.message, Deploy)
    assert command.message.request == old.message.request
    assert command.message.settings == old.message.settings
    assert said.envelope.type == "message.retried.v1"
    assert accepted["operation"]["kind"] == "deploy"
    settled = (await api.http.get(f"/v1/dead/{dead}")).json()
    assert (settled["state"], settled["operation"]) == ("retried", command.envelope.id)
    listed = await api.http.get("/v1/dead", params={"state": "retried", "at_least": accepted["sequence"]})
    assert [each["operation"] for each in listed.json()["items"]] == [command.envelope.id]


async def test_a_repeated_retry_is_the_same_operation_and_another_one_is_refused(api: Api, dead: int) -> None:
    await api.projector.stop()

    first = await retry(api, dead, **{"Idempotency-Key": "once"})
    again = await retry(api, dead, **{"Idempotency-Key": "once"})
    refused = problem(await retry(api, dead), 409, "DeadMessageSettled")
    discarded = await api.http.post(f"/v1/dead/{dead}/discard")

    assert (again.status_code, again.json()) == (202, first.json())
    assert refused["operation"] == first.json()["operation"]["id"]
    assert problem(discarded, 409, "DeadMessageSettled")["state"] == "retried"
    assert await api.commands() == ["command.deploy.v1"] * 2


async def test_of_many_who_retry_at_once_one_wins(api: Api, dead: int) -> None:
    answers = await asyncio.gather(*(retry(api, dead) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 5]
    assert await api.commands() == ["command.deploy.v1"] * 2


async def test_a_newer_command_is_not_undone(api: Api, dead: int) -> None:
    await api.http.post(f"{DEPLOYMENT}/stop")

    refused = problem(await retry(api, dead), 409, "DeadMessageOvertaken")

    assert refused["newer"] == (await message_at(api, refused["newer"])).sequence > dead
    assert await api.commands() == ["command.deploy.v1", "command.stop.v1"]


async def test_a_retry_is_admitted_like_the_original(api: Api, dead: int) -> None:
    await api.http.put("/v1/groups/default", json={"quota": {"replicas": 1}})

    refused = problem(await retry(api, dead), 403, "QuotaExceeded")

    assert (refused["asked"], refused["limit"]) == (2, 1)
    assert (await api.http.get(f"/v1/dead/{dead}")).json()["state"] == "open"


async def test_a_name_that_another_deployment_took_meanwhile_is_not_taken_back(api: Api, dead: int) -> None:
    await api.platform.publish_version(deployment="other")
    taken = await api.create("other", settings={"name": "numbers"})

    refused = problem(await retry(api, dead), 409, "NameTaken")

    assert (taken.status_code, refused["holder"]) == (202, "other")


async def test_a_dry_run_shows_the_plan_and_settles_nothing(api: Api, dead: int) -> None:
    plan = await api.http.post(f"/v1/dead/{dead}/retry", params={"dry_run": True})

    assert (plan.status_code, plan.json()["kinds"]) == (200, ["deploy"])
    assert (await api.http.get(f"/v1/dead/{dead}")).json()["state"] == "open"


async def test_a_build_is_retried_with_all_its_time_whatever_came_after_it(api: Api) -> None:
    past = now()
    command = Build(**OWNER, by="ada", request_digest="d", source=SOURCE_DIGEST, deadline_at=past)
    sequence = await api.platform.tell(command)
    await bury(api, sequence, service="builder")
    await api.platform.publish_version()
    await api.create()

    first = await retry(api, sequence, **{"Idempotency-Key": "once"})
    again = await retry(api, sequence, **{"Idempotency-Key": "once"})

    assert (again.status_code, again.json()) == (202, first.json())
    retried = await message_at(api, first.json()["sequence"])
    assert isinstance(retried.message, Build)
    assert (retried.message.source, retried.message.by) == (SOURCE_DIGEST, "admin")
    assert retried.message.deadline_at > past


async def test_what_is_no_command_cannot_be_retried_and_says_what_to_do(api: Api) -> None:
    sequence = await api.platform.tell(OperationSucceeded(**OWNER, operation=new_id()))
    await bury(api, sequence, ends=False)

    refused = problem(await retry(api, sequence), 409, "DeadMessageNotRetriable")

    assert "Discard it" in refused["hint"]


async def test_a_command_that_took_effect_all_the_same_is_not_repeated(api: Api) -> None:
    await api.platform.publish_version()
    sequence = int((await api.create()).json()["sequence"])
    await bury(api, sequence, ends=False)

    refused = problem(await retry(api, sequence), 409, "DeadMessageNotRetriable")

    assert "/v1/operations/" in refused["hint"]
    assert await api.commands() == ["command.deploy.v1"]


async def test_a_discard_is_said_once_and_repeated_harmlessly(api: Api, dead: int) -> None:
    path, key = f"/v1/dead/{dead}/discard", {"Idempotency-Key": "away"}

    first = await api.http.post(path, headers=key)
    again = await api.http.post(path, headers=key)
    other = await api.http.post(path)
    tried = await api.http.post(path, params={"dry_run": True})

    assert (first.status_code, again.json()) == (200, first.json())
    problem(other, 409, "DeadMessageSettled")
    problem(tried, 422, "InvalidRequest")
    assert (await api.http.get("/v1/dead", params={"state": "open"})).json()["items"] == []
    problem(await retry(api, dead), 409, "DeadMessageSettled")


async def test_only_what_was_given_up_is_there_and_only_for_those_with_a_role(
    api: Api, dead: int, viewer: httpx.AsyncClient
) -> None:
    stranger = api.client(await api.key_for("mallory", elsewhere="admin"))

    alive = await api.platform.tell(OperationSucceeded(**OWNER, operation=new_id()))

    for sequence in (alive, 10**9):
        problem(await api.http.get(f"/v1/dead/{sequence}"), 404, "DeadMessageNotFound")
    problem(await stranger.get(f"/v1/dead/{dead}"), 404, "DeadMessageNotFound")
    problem(await stranger.get("/v1/dead", params={"group": "default"}), 403, "RoleMissing")
    assert (await stranger.get("/v1/dead")).json()["items"] == []
    for verb in ("retry", "discard"):
        problem(await viewer.post(f"/v1/dead/{dead}/{verb}"), 403, "RoleMissing")


async def test_what_names_no_deployment_is_shown_and_discarded_like_any_other(
    api: Api, viewer: httpx.AsyncClient
) -> None:
    sequence = await poison(api, "slipway.default.ILL.cmd.deployer.stop", b"{}", type="command.stop.v1")
    last = await api.platform.tell(
        MessageDead(
            group="default",
            deployment="ill-named",
            service="deployer",
            sequence=sequence,
            message_id=new_id(),
            message_type="command.stop.v1",
            deliveries=1,
            error="PermanentError: no name",
        )
    )

    (listed,) = (await viewer.get("/v1/dead", params={"at_least": last})).json()["items"]
    shown = (await viewer.get(f"/v1/dead/{sequence}")).json()
    retried = await retry(api, sequence)
    discarded = await api.http.post(f"/v1/dead/{sequence}/discard")

    assert (listed["sequence"], listed["deployment"]) == (sequence, "ill-named")
    assert (shown["subject"], shown["retriable"]) == ("slipway.default.ILL.cmd.deployer.stop", False)
    problem(retried, 422, "DeadMessageUnreadable")
    assert (discarded.status_code, discarded.json()["state"]) == (200, "discarded")
