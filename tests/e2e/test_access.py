"""Who may call an endpoint: what the platform shows is pasted into a shell, and works."""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from e2e.carrying_out import GREETER, carried_out, done, run
from e2e.running_platform import RunningPlatform, ended
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import Accepted
from slipway.mutation import Mutation

NAME = "guarded"
OTHER = "guarded-too"
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def url(platform: RunningPlatform) -> str:
    """An endpoint; there is a second deployment that is guarded too."""
    for name in (NAME, OTHER):
        done(platform, "deploy", str(GREETER), "--name", name)
    return f"{platform.gateway_url}/default/{NAME}/greet"


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


async def made(client: Slipway, mutation: Mutation) -> Accepted:
    """Carry a change of access out and return what its answer shows only once."""
    accepted = await mutation
    operation = await ended(client, accepted)
    assert operation.state == "SUCCEEDED", operation
    return accepted


async def token_of(client: Slipway, mutation: Mutation) -> tuple[str, str]:
    """Return the id and the token of a new key."""
    document = (await made(client, mutation)).as_json()
    return str(document["key"]["id"]), str(document["token"])


async def called(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return status and problem document of a call."""
    async with httpx.AsyncClient() as session:
        response = await session.get(url, headers=headers)
    problem = json.loads(response.text) if response.status_code != 200 else {}
    return response.status_code, problem


async def pasted(example: str | None, credential: str | None = None) -> tuple[str, str]:
    """Run a call example in a shell, the credential in place of its placeholder; return body and status."""
    assert example is not None
    if credential is not None:
        example, filled_in = re.subn(r"\$(PASSWORD|KEY)", credential, example)
        assert filled_in == 1, example
    body, _, status = (await run("sh", "-c", f"{example} -s -w '\n%{{http_code}}'")).rpartition("\n")
    return body, status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.usefixtures("url")
async def test_an_open_deployment_is_called_as_its_example_says(client: Slipway) -> None:
    await carried_out(client, client.access.set_mode(NAME, "open"))

    example = (await client.deployment(NAME)).call_example

    assert await pasted(example) == ("hello", "200")


async def test_a_user_calls_with_the_password_and_nobody_without(client: Slipway, url: str) -> None:
    await carried_out(client, client.access.set_mode(NAME, "basic"))
    user = (await made(client, client.access.add_user(NAME, "shop"))).as_json()

    example = (await client.deployment(NAME)).call_example
    right = await pasted(example, user["password"])
    wrong = await pasted(example, "guessed")
    status, problem = await called(url)
    await carried_out(client, client.access.remove_user(NAME, "shop"))
    removed = await pasted(example, user["password"])

    assert right == ("hello", "200")
    assert (wrong[1], status, removed[1]) == ("401", 401, "401")
    assert problem["reason"]
    assert problem["hint"]
    assert json.loads(wrong[0])["reason"] == problem["reason"]


async def guarded_by_keys(client: Slipway, url: str, name: str = NAME) -> None:
    """Let a deployment be called with keys only."""
    await carried_out(client, client.access.set_mode(name, "keys"))
    assert (await called(url))[0] == 401


async def test_a_key_opens_its_own_deployment_and_no_other(client: Slipway, url: str) -> None:
    other_url = url.replace(NAME, OTHER)
    await guarded_by_keys(client, url)
    await guarded_by_keys(client, other_url, OTHER)
    _, token = await token_of(client, client.access.add_key(NAME, "shop"))
    _, foreign = await token_of(client, client.access.add_key(OTHER, "shop"))

    example = (await client.deployment(NAME)).call_example
    right = await pasted(example, token)
    without = await called(url)
    strange = await called(url, bearer(foreign))
    forged = await called(url, bearer(token[:-8] + "AAAAAAAA"))
    by_header = await called(url, {"X-API-Key": token})

    assert right == ("hello", "200")
    assert without[0] == 401
    assert without[1]["reason"]
    assert without[1]["hint"]
    assert strange[0] in REFUSED
    assert forged[0] == 401
    assert by_header[0] == 200


async def test_a_key_opens_every_path_of_its_deployment_and_is_needed_there(
    client: Slipway, platform: RunningPlatform, url: str
) -> None:
    await guarded_by_keys(client, url)
    await carried_out(client, client.configure(NAME, {"name": "guarded-name"}))
    _, token = await token_of(client, client.access.add_key(NAME, "paths"))
    label = (await client.deployment(NAME)).version_label
    base = f"{platform.gateway_url}/default"
    paths = (f"{NAME}/greet", "guarded-name/greet", f"guarded-name/{label}/greet", "guarded-name/live/greet")

    opened = [(await called(f"{base}/{path}", bearer(token)))[0] for path in paths]
    closed = [(await called(f"{base}/{path}"))[0] for path in paths]

    assert opened == [200] * len(paths)
    assert closed == [401] * len(paths)
    await carried_out(client, client.configure(NAME, {"name": None}))


async def test_a_revoked_key_opens_nothing_once_that_is_done(client: Slipway, url: str) -> None:
    await guarded_by_keys(client, url)
    identifier, token = await token_of(client, client.access.add_key(NAME, "gone"))
    _, kept = await token_of(client, client.access.add_key(NAME, "kept"))

    await carried_out(client, client.access.revoke_key(NAME, identifier))

    assert (await called(url, bearer(token)))[0] in REFUSED
    assert (await called(url, bearer(kept)))[0] == 200


async def test_a_key_expires(client: Slipway, url: str) -> None:
    await guarded_by_keys(client, url)

    _, token = await token_of(client, client.access.add_key(NAME, "brief", expires_in_seconds=5.0))
    before = await called(url, bearer(token))

    async def is_expired() -> bool:
        return (await called(url, bearer(token)))[0] == 401

    await eventually(is_expired, timeout=20)
    assert before[0] == 200


async def test_a_rotated_key_gives_way_to_the_new_one(client: Slipway, url: str) -> None:
    await guarded_by_keys(client, url)
    old, old_token = await token_of(client, client.access.add_key(NAME, "turning"))

    new, new_token = await token_of(client, client.access.rotate_key(NAME, old, grace_seconds=3600))
    in_its_grace = await called(url, bearer(old_token))
    _, last_token = await token_of(client, client.access.rotate_key(NAME, new))
    replaced = await called(url, bearer(new_token))

    assert in_its_grace[0] == 200
    assert replaced[0] in REFUSED
    assert (await called(url, bearer(last_token)))[0] == 200


async def test_open_again_needs_nothing(client: Slipway, url: str) -> None:
    await guarded_by_keys(client, url)

    await carried_out(client, client.access.set_mode(NAME, "open"))

    assert (await called(url))[0] == 200


@pytest.mark.usefixtures("url")
async def test_neither_tokens_nor_passwords_can_be_read_back(client: Slipway) -> None:
    document = (await made(client, client.access.add_key(NAME, "once"))).as_json()
    user = (await made(client, client.access.add_user(NAME, "once"))).as_json()

    read = json.dumps((await client.access.get(NAME)).as_json())
    events = [event.document async for event in client.past_events(deployment=NAME)]

    for hidden in (document["token"], user["password"], base64.b64encode(user["password"].encode()).decode()):
        assert hidden not in read
        assert hidden not in json.dumps(events, default=str)
