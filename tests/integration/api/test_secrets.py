"""Secrets: sealed and versioned, listed without value, kept while they are used; the value is nowhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import Api, problem, running_api
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.secrets import KeyPair, Secrets, Vault, make_key_pair
from slipway_contracts import subjects
from slipway_contracts.commands import Deploy
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import SecretRef

GROUP = "/v1/groups/default"
TOKEN = f"{GROUP}/secrets/token"
CANARY = "canary-4711-of-the-secrets"


@pytest.fixture
def keys() -> dict[str, KeyPair]:
    return {"deployer": make_key_pair(), "builder": make_key_pair()}


@pytest.fixture
async def api(
    connection: Connection,
    make_database: Callable[[], Awaitable[str]],
    tmp_path: Path,
    keys: dict[str, KeyPair],
) -> AsyncIterator[Api]:
    """An api that can seal."""
    recipients = tmp_path / "recipients.json"
    recipients.write_text(json.dumps({service: pair.public for service, pair in keys.items()}))
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, secret_keys=recipients
    ) as running:
        yield running


async def put(client: httpx.AsyncClient, value: str, path: str = TOKEN) -> int:
    answer = await client.put(path, json={"value": value})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["version"])


async def opened(api: Api, keys: dict[str, KeyPair], folder: Path, version: int) -> str:
    """Return what a version holds, as the deployer opens it."""
    key_file = folder / "private.key"
    key_file.write_text(keys["deployer"].private.get_secret_value())
    key_file.chmod(0o600)
    secrets = Secrets(connection=api.service.connection)
    vault = Vault(service="deployer", key_file=key_file, secrets=secrets)
    found = await vault.open("default", {"it": SecretRef(secret="token", version=version)})  # noqa: S106
    return found["it"]


async def test_each_value_is_a_version_that_the_deployer_can_open(
    api: Api, keys: dict[str, KeyPair], tmp_path: Path
) -> None:
    versions = [await put(api.http, value) for value in ("first", "second")]

    values = [await opened(api, keys, tmp_path, version) for version in versions]

    assert versions == [1, 2]
    assert values == ["first", "second"]


async def test_a_value_is_sealed_to_the_deployer_alone_whoever_else_has_a_key(api: Api) -> None:
    version = await put(api.http, "first")

    ref = SecretRef(secret="token", version=version)  # noqa: S106
    sealed = await Secrets(connection=api.service.connection).get("default", ref)

    assert sealed is not None
    assert set(json.loads(sealed)) == {"deployer"}


async def test_a_list_shows_names_versions_and_who_but_no_value(api: Api) -> None:
    await put(api.http, CANARY)
    await put(api.http, CANARY)

    answer = await api.http.get(f"{GROUP}/secrets")

    (listed,) = answer.json()["items"]
    assert (listed["name"], listed["version"], listed["changed_by"]) == ("token", 2, "admin")
    assert CANARY not in answer.text


async def test_concurrent_puts_get_different_versions(api: Api) -> None:
    versions = await asyncio.gather(*(put(api.http, f"value {n}") for n in range(12)))

    assert sorted(versions) == list(range(1, 13))


async def test_a_deploy_gets_the_newest_version_or_the_one_it_names(api: Api) -> None:
    await api.platform.publish_version()
    for value in ("first", "second"):
        await put(api.http, value)

    environment = {"NEWEST": {"secret": "token"}, "OLDER": {"secret": "token", "version": 1}, "PLAIN": "x"}
    answer = await api.create(environment=environment)

    assert answer.status_code == 202, answer.text
    command = await api.platform.log.last(subjects.deployer_commands("default", "digits"))
    assert command is not None
    assert isinstance(command.message, Deploy)
    assert command.message.request.config.environment == {
        "NEWEST": SecretRef(secret="token", version=2),  # noqa: S106
        "OLDER": SecretRef(secret="token", version=1),  # noqa: S106
        "PLAIN": "x",
    }


async def test_a_secret_that_is_not_there_is_refused_when_it_is_named(api: Api) -> None:
    await api.platform.publish_version()
    await put(api.http, "first")

    unknown = await api.create(environment={"A": {"secret": "other"}})
    newer = await api.create(environment={"A": {"secret": "token", "version": 2}})
    await api.http.delete(TOKEN)
    removed = await api.create(environment={"A": {"secret": "token"}})

    for answer in (unknown, newer, removed):
        problem(answer, 404, "SecretNotFound")


async def test_a_secret_that_kept_releases_refer_to_is_removed_by_force_only(api: Api) -> None:
    await api.platform.publish_version()
    await put(api.http, "first")
    created = (await api.create(environment={"A": {"secret": "token"}})).json()
    used = ReleaseConfig(environment={"A": SecretRef(secret="token", version=1)})  # noqa: S106
    await api.platform.bring_live(created["operation"]["id"], used)

    refused = await api.http.delete(TOKEN)
    forced = await api.http.delete(TOKEN, params={"force": True})

    assert problem(refused, 409, "SecretInUse")["deployments"] == ["digits"]
    assert forced.status_code == 204
    assert (await api.http.get(f"{GROUP}/secrets")).json()["items"] == []


async def test_a_removed_secret_is_gone_from_storage_and_its_numbers_are_not_given_again(api: Api) -> None:
    for value in ("first", "second"):
        await put(api.http, value)

    removed = await api.http.delete(TOKEN)
    again = await api.http.delete(TOKEN)
    next_version = await put(api.http, "third")

    secrets = Secrets(connection=api.service.connection)
    left = [await secrets.get("default", SecretRef(secret="token", version=n)) for n in (1, 2)]  # noqa: S106
    assert removed.status_code == 204
    problem(again, 404, "SecretNotFound")
    assert left == [None, None]
    assert next_version == 3


async def test_puts_and_removals_that_race_leave_no_version_without_a_value(
    api: Api, keys: dict[str, KeyPair], tmp_path: Path
) -> None:
    await put(api.http, "first")

    await asyncio.gather(
        *(put(api.http, f"value {n}") for n in range(6)),
        *(api.http.delete(TOKEN) for _ in range(3)),
    )

    for listed in (await api.http.get(f"{GROUP}/secrets")).json()["items"]:
        assert await opened(api, keys, tmp_path, listed["version"])


async def test_one_group_sees_nothing_of_another(api: Api) -> None:
    await put(api.http, "first")
    await api.http.put("/v1/groups/team", json={})

    listed = await api.http.get("/v1/groups/team/secrets")
    version = await put(api.http, "other", "/v1/groups/team/secrets/token")

    assert listed.json()["items"] == []
    assert version == 1


@pytest.mark.parametrize(
    "body",
    [
        {"value": CANARY, "valeu": CANARY},
        {"value": [CANARY]},
        {"value": {"is": CANARY}},
        {"value": CANARY + "\x00"},
        {"value": CANARY + "x" * (64 << 10)},
        {"value": CANARY + "\ud800"},
        {"value": ""},
        CANARY,
        [CANARY],
        {},
    ],
)
async def test_a_refused_value_is_not_told_again(api: Api, body: Any) -> None:
    answer = await api.http.put(TOKEN, content=json.dumps(body))

    problem(answer, 422, "InvalidRequest")
    assert CANARY not in answer.text


async def test_a_body_that_is_no_json_is_not_told_again(api: Api) -> None:
    answer = await api.http.put(
        TOKEN, content=f'{{"value": "{CANARY}', headers={"Content-Type": "application/json"}
    )

    problem(answer, 400, "MalformedBody")
    assert CANARY not in answer.text


async def test_a_body_beyond_the_limit_is_not_read(api: Api) -> None:
    answer = await api.http.put(TOKEN, json={"value": "x" * (1 << 20)})

    problem(answer, 413, "BodyTooLarge")


async def test_a_value_is_neither_in_the_log_nor_in_postgres_nor_in_what_the_api_prints(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(api.http, CANARY)
    await api.http.put(TOKEN, json={"value": CANARY, "more": CANARY})
    await api.platform.publish_version()
    created = await api.create(environment={"A": {"secret": "token"}})
    await api.http.get("/v1/deployments", params={"at_least": created.json()["sequence"]})

    stored = [each.data async for each in api.platform.log.read("slipway.>", after=0)]
    lines = EventLog(connection=api.service.connection, stream="KV_secrets")
    sealed = [each.data async for each in lines.read("$KV.>", after=0)]
    rows = await api.dump()
    printed = capfd.readouterr()

    assert len(sealed) == 1
    for text in (*stored, *sealed, rows.encode(), printed.out.encode(), printed.err.encode()):
        assert CANARY.encode() not in text
