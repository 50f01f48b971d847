"""Who may call endpoints: modes, users, keys; what they show once and what is kept."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from api_stage import Stage
from api_world import Api, problem, running_api
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from slipway_chassis.connection import Connection
from slipway_contracts.access import MOST_KEYS, MOST_USERS, Access, AccessMode, BasicUser, EndpointKey
from slipway_contracts.commands import Configure, Deploy
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.envelope import new_id, now

ACCESS = "/v1/groups/default/deployments/digits/access"
SIGNING = Ed25519PrivateKey.generate()


@pytest.fixture
async def signing(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api that can sign, with one deployment."""
    path = tmp_path / "endpoint.pem"
    path.write_bytes(SIGNING.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    url = await make_database()
    async with running_api(
        connection=connection, database_url=url, folder=tmp_path, endpoint_key_file=path
    ) as api:
        await api.platform.publish_version()
        await api.create()
        yield api


async def settings(api: Api) -> Any:
    command = await api.last_command()
    assert isinstance(command, Configure)
    return command.settings


def claims(token: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(
        token,
        SIGNING.public_key(),
        algorithms=["EdDSA"],
        audience="default/digits",
        issuer="slipway",
        **options,
    )
    return found


async def test_the_mode_changes_without_a_release(signing: Api) -> None:
    answer = await signing.http.put(ACCESS, json={"mode": "keys"})

    assert answer.status_code == 202, answer.text
    assert (await settings(signing)).access.mode is AccessMode.KEYS


async def test_a_key_is_a_token_that_the_gateway_can_check(signing: Api) -> None:
    answer = await signing.http.post(f"{ACCESS}/keys", json={"name": "shop", "expires_in_seconds": 3600})

    made = answer.json()
    kept = (await settings(signing)).access.keys
    said = claims(made["token"])
    assert answer.status_code == 202, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert [(key.id, key.name, key.created_by) for key in kept] == [(said["jti"], "shop", "admin")]
    assert said["exp"] == int(datetime.fromisoformat(made["key"]["expires_at"]).timestamp())
    assert made["token"] not in kept[0].model_dump_json()


async def test_a_repeated_request_makes_another_key(signing: Api) -> None:
    headers = {"Idempotency-Key": "once"}

    answers = [
        await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"}, headers=headers) for _ in range(2)
    ]

    assert len({answer.json()["token"] for answer in answers}) == 2
    assert len((await settings(signing)).access.keys) == 2


async def test_rotation_puts_a_new_token_in_the_place_of_the_old(signing: Api) -> None:
    first = (await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})).json()["key"]

    at_once = await signing.http.post(f"{ACCESS}/keys/{first['id']}/rotate")
    second = at_once.json()["key"]
    later = await signing.http.post(f"{ACCESS}/keys/{second['id']}/rotate", json={"grace_seconds": 600})
    gone = await signing.http.post(f"{ACCESS}/keys/{first['id']}/rotate")

    keys = {key.id: key for key in (await settings(signing)).access.keys}
    third = later.json()["key"]
    assert claims(later.json()["token"])["jti"] == third["id"]
    assert {key.name for key in keys.values()} == {"shop"}
    assert (keys[first["id"]].revoked, keys[second["id"]].revoked) == (True, False)
    assert keys[second["id"]].expires_at is not None
    assert keys[third["id"]].expires_at is None
    problem(gone, 404, "EndpointKeyNotFound")


async def test_a_rotated_key_lives_as_long_as_the_old_one(signing: Api) -> None:
    made = await signing.http.post(f"{ACCESS}/keys", json={"name": "shop", "expires_in_seconds": 3600})

    rotated = await signing.http.post(f"{ACCESS}/keys/{made.json()['key']['id']}/rotate", json={})

    said = claims(rotated.json()["token"])
    assert said["exp"] - now().timestamp() == pytest.approx(3600, abs=60)


async def test_a_key_in_its_grace_is_not_rotated_again(signing: Api) -> None:
    first = (await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})).json()["key"]["id"]
    grace = {"grace_seconds": 86_400}
    second = await signing.http.post(f"{ACCESS}/keys/{first}/rotate", json=grace)
    third = await signing.http.post(f"{ACCESS}/keys/{second.json()['key']['id']}/rotate", json=grace)
    newest = third.json()["key"]["id"]

    again = await signing.http.post(f"{ACCESS}/keys/{first}/rotate")
    await signing.http.delete(f"{ACCESS}/keys/{newest}")
    without_newer = await signing.http.post(f"{ACCESS}/keys/{first}/rotate")

    refused = problem(again, 409, "EndpointKeyReplaced")
    assert newest in refused["detail"]
    assert (refused["key"], refused["replaced_by"]) == (first, newest)
    assert problem(without_newer, 409, "EndpointKeyReplaced")["replaced_by"] is None
    keys = {key.id: key for key in (await settings(signing)).access.keys}
    assert [keys[each].revoked for each in (first, newest)] == [False, True]
    assert len(keys) == 3


async def test_a_key_whose_successor_was_forgotten_is_not_rotated(signing: Api) -> None:
    made = {"name": "shop", "created_at": now(), "created_by": "ada"}
    graced = EndpointKey(id=new_id(), expires_at=now() + timedelta(hours=1), replaced_by=new_id(), **made)
    await tell(signing, Access(keys=(graced,)))

    answer = await signing.http.post(f"{ACCESS}/keys/{graced.id}/rotate")

    assert problem(answer, 409, "EndpointKeyReplaced")["replaced_by"] is None


async def test_a_key_that_has_expired_is_not_rotated(signing: Api) -> None:
    ended = EndpointKey(id=new_id(), name="shop", created_at=now(), created_by="ada", expires_at=now())
    await tell(signing, Access(keys=(ended,)))

    answer = await signing.http.post(f"{ACCESS}/keys/{ended.id}/rotate")

    assert "expired" in problem(answer, 404, "EndpointKeyNotFound")["detail"]


async def test_a_deployment_that_is_created_again_is_no_more_open_than_it_was(signing: Api) -> None:
    stage = Stage(platform=signing.platform)
    await stage.take()
    await signing.http.put(ACCESS, json={"mode": "keys"})
    await stage.take()
    await signing.http.delete("/v1/groups/default/deployments/digits")
    await stage.take()

    answer = await signing.create()

    command = await signing.last_command()
    assert answer.status_code == 202, answer.text
    assert isinstance(command, Deploy)
    assert command.settings is not None
    assert command.settings.access.mode is AccessMode.KEYS


async def test_a_revoked_key_stays_known_as_revoked(signing: Api) -> None:
    key = (await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})).json()["key"]["id"]

    revoked = await signing.http.delete(f"{ACCESS}/keys/{key}")
    again = await signing.http.delete(f"{ACCESS}/keys/{key}")

    assert revoked.status_code == 202
    assert [each.revoked for each in (await settings(signing)).access.keys] == [True]
    problem(again, 404, "EndpointKeyNotFound")


async def test_a_password_is_shown_once_and_kept_as_its_digest(signing: Api) -> None:
    answer = await signing.http.post(f"{ACCESS}/users", json={"name": "shop"})
    twice = await signing.http.post(f"{ACCESS}/users", json={"name": "shop"})

    user = (await settings(signing)).access.users[0]
    digest = hashlib.sha1(answer.json()["password"].encode(), usedforsecurity=False).digest()
    assert answer.status_code == 202, answer.text
    assert (user.name, user.password_sha1) == ("shop", base64.b64encode(digest).decode())
    problem(twice, 409, "BasicUserExists")

    removed = await signing.http.delete(f"{ACCESS}/users/shop")
    again = await signing.http.delete(f"{ACCESS}/users/shop")

    assert removed.status_code == 202
    assert (await settings(signing)).access.users == ()
    problem(again, 404, "BasicUserNotFound")


async def test_there_are_only_so_many_users_and_keys_that_open_something(signing: Api) -> None:
    made = {"created_at": now(), "created_by": "ada"}
    digest = "A" * 27 + "="
    users = [BasicUser(name=f"u{each}", password_sha1=digest, created_at=now()) for each in range(MOST_USERS)]
    keys = [EndpointKey(id=new_id(), name="old", **made) for _ in range(MOST_KEYS)]
    await tell(signing, Access(users=tuple(users), keys=tuple(keys)))

    user = await signing.http.post(f"{ACCESS}/users", json={"name": "shop"})
    key = await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})

    assert f"{MOST_USERS} users" in problem(user, 422, "InvalidRequest")["detail"]
    assert f"{MOST_KEYS} keys" in problem(key, 422, "InvalidRequest")["detail"]


async def test_keys_that_ended_make_room_and_only_the_newest_stay_known(signing: Api) -> None:
    made = {"name": "old", "created_at": now(), "created_by": "ada"}
    ended = [EndpointKey(id=new_id(), expires_at=now(), **made) for _ in range(MOST_KEYS)]
    lasting = EndpointKey(id=new_id(), **made)
    await tell(signing, Access(keys=(lasting, *ended)))

    answer = await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})

    kept = [key.id for key in (await settings(signing)).access.keys]
    assert answer.status_code == 202, answer.text
    assert kept == [lasting.id, *(key.id for key in ended[-100:]), answer.json()["key"]["id"]]


async def tell(api: Api, access: Access) -> None:
    """Let the log say who may call, as after many requests."""
    said = {"group": "default", "deployment": "digits", "by": "ada", "request_digest": ""}
    await api.platform.tell(Configure(settings=DeploymentSettings(access=access), **said))


async def test_access_is_shown_without_anything_that_opens(signing: Api) -> None:
    stage = Stage(platform=signing.platform)
    await stage.take()
    password = (await signing.http.post(f"{ACCESS}/users", json={"name": "shop"})).json()["password"]
    await stage.take()
    token = (await signing.http.post(f"{ACCESS}/keys", json={"name": "shop"})).json()["token"]
    await stage.take()
    await signing.http.put(ACCESS, json={"mode": "keys"})
    last = await stage.take()

    answer = await signing.http.get(ACCESS, params={"at_least": last})

    shown = answer.json()
    assert (shown["mode"], shown["users"][0]["name"], shown["keys"][0]["name"]) == ("keys", "shop", "shop")
    assert password not in answer.text
    assert token not in answer.text
    assert "sha1" not in answer.text
    assert shown["call_example"] == (
        'curl -H "Authorization: Bearer $KEY" http://gateway.test:8000/default/digits/predict/'
    )


async def test_a_trial_makes_no_key(signing: Api) -> None:
    answer = await signing.http.post(f"{ACCESS}/keys?dry_run=true", json={"name": "shop"})

    assert (answer.status_code, answer.json()["kinds"]) == (200, ["configure"])
    assert "token" not in answer.json()


async def test_an_installation_without_a_signing_key_says_so(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()

    answer = await api.http.post(f"{ACCESS}/keys", json={"name": "shop"})

    assert "SLIPWAY_ENDPOINT_KEY_FILE" in problem(answer, 503, "EndpointKeysUnavailable")["hint"]
