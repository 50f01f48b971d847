"""Who may call an endpoint, as Envoy enforces it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from eventually import eventually
from gateway_access import (
    URL,
    Issuer,
    basic,
    bearer,
    make_key,
    make_user,
    reason,
    restart_with_key_set,
    serving,
    with_access,
)
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, gateway_process
from servers import NatsServer
from slipway_contracts.access import AccessMode
from slipway_contracts.envelope import new_id


async def test_a_password_opens_and_is_not_handed_on(house: GatewayHouse, replicas: list[Replica]) -> None:
    story = await serving(house, replicas[0])
    with_access(story, AccessMode.BASIC, users=(make_user("ada", "secret"), make_user("bob", "other")))

    await house.serve(story.desired)
    status, told = await house.get(URL, headers=basic("ada", "secret") | {"x-mine": "1"})
    refused = [await reason(house, each) for each in ({}, basic("ada", "other"), basic("eve", "secret"))]

    assert (status, told["headers"]["x-mine"]) == (200, "1")
    assert "authorization" not in told["headers"]
    assert refused == [(401, "AccessDenied")] * 3
    assert await reason(house, basic("bob", "other")) == (200, None)


async def test_a_refusal_is_a_problem_that_says_what_to_send(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0])
    told = {}

    for mode in (AccessMode.BASIC, AccessMode.KEYS):
        await house.serve(with_access(story, mode).desired)
        async with house.session.get(house.envoy.url + URL + "/x?y=1") as answer:
            told[mode] = answer, await answer.json(content_type="application/problem+json")

    answers = {mode: answer.headers["www-authenticate"].split()[0] for mode, (answer, _) in told.items()}
    assert answers == {AccessMode.BASIC: "Basic", AccessMode.KEYS: "Bearer"}
    for _, body in told.values():
        assert (body["status"], body["reason"], body["deployment"]) == (401, "AccessDenied", "digits")
        assert body["instance"] == URL + "/x"
    assert "curl -u" in told[AccessMode.BASIC][1]["hint"]
    assert "X-API-Key" in told[AccessMode.KEYS][1]["hint"]
    assert replicas[0].requests.total() == 0
    assert issuer.key_set


async def test_a_key_opens_in_either_header_and_is_not_handed_on(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0])
    key = make_key()
    token = issuer.token(key.id)
    await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)

    by_bearer = await house.get(URL, headers=bearer(token))
    by_header = await house.get(URL, headers={"x-api-key": token, "authorization": "Basic mine"})

    assert (by_bearer[0], by_header[0]) == (200, 200)
    assert "authorization" not in by_bearer[1]["headers"]
    assert "x-api-key" not in by_header[1]["headers"]
    assert by_header[1]["headers"]["authorization"] == "Basic mine"


async def test_only_a_valid_key_opens(house: GatewayHouse, replicas: list[Replica], issuer: Issuer) -> None:
    story = await serving(house, replicas[0])
    key = make_key()
    await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)
    past, future = (datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (-10, 60))
    head, payload, signature = issuer.token(key.id).split(".")
    unsigned = jwt.encode({"iss": "slipway", "aud": "default/digits", "jti": key.id}, "", algorithm="none")

    refused = {
        "none": await reason(house, {}),
        "garbage": await reason(house, bearer("garbage")),
        "unsigned": await reason(house, bearer(unsigned)),
        "forged": await reason(house, bearer(Issuer().token(key.id))),
        "changed": await reason(house, bearer(f"{head}.{payload[:-2]}AA.{signature}")),
        "issuer": await reason(house, bearer(issuer.token(key.id, iss="other"))),
        "expired": await reason(house, bearer(issuer.token(key.id, exp=past))),
    }

    assert refused == dict.fromkeys(refused, (401, "AccessDenied"))
    assert await reason(house, bearer(issuer.token(key.id, exp=future))) == (200, None)


async def test_a_revoked_or_removed_key_is_refused_at_once_and_the_others_go_on(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0])
    kept, revoked, removed = make_key(), make_key(), make_key()
    tokens = [bearer(issuer.token(key.id)) for key in (kept, revoked, removed)]
    await house.serve(with_access(story, AccessMode.KEYS, keys=(kept, revoked, removed)).desired)
    before = [await reason(house, each) for each in tokens]

    changed = (kept, revoked.model_copy(update={"revoked": True}))
    await house.serve(with_access(story, AccessMode.KEYS, keys=changed).desired)
    after = [await reason(house, each) for each in tokens]
    await house.serve(with_access(story, AccessMode.KEYS).desired)

    assert before == [(200, None)] * 3
    assert after == [(200, None), (403, "KeyRefused"), (403, "KeyRefused")]
    assert await reason(house, tokens[0]) == (403, "KeyRefused")


async def test_what_applies_changes_with_the_record_and_open_asks_for_nothing(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0])
    key = make_key()
    lists = {"users": (make_user("ada", "secret"),), "keys": (key,)}
    headers: tuple[dict[str, str], ...] = ({}, basic("ada", "secret"), bearer(issuer.token(key.id)))
    answers = {}

    for mode in AccessMode:
        await house.serve(with_access(story, mode, **lists).desired)
        answers[mode] = [(await reason(house, each))[0] for each in headers]

    assert answers == {
        AccessMode.OPEN: [200, 200, 200],
        AccessMode.BASIC: [401, 200, 401],
        AccessMode.KEYS: [401, 401, 200],
    }


async def test_the_credentials_of_an_open_endpoint_are_its_own_business(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    await serving(house, replicas[0])
    token = issuer.token(new_id())

    _, told = await house.get(URL, headers=bearer(token) | {"x-api-key": token})

    assert told["headers"]["authorization"] == f"Bearer {token}"
    assert told["headers"]["x-api-key"] == token


async def test_a_guarded_body_of_unknown_size_and_a_websocket_pass_with_a_key(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0], max_body_bytes=1000)
    key = make_key()
    headers = bearer(issuer.token(key.id))
    await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)

    async def body() -> Any:
        yield b"x" * 100

    status, told = await house.get(URL, "POST", data=body(), headers=headers)
    refused, _ = await house.get(URL, "POST", data=body())
    address = house.envoy.url + URL + "/websocket"
    async with house.session.ws_connect(address, headers=headers) as socket:
        await socket.send_str("one")
        echoed = await socket.receive_str()

    assert (status, told["bytes"], "authorization" in told["headers"]) == (200, 100, False)
    assert (refused, echoed) == (401, "a: one")


async def test_without_a_key_set_guarded_deployments_say_what_is_missing_and_the_others_serve(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[1], "other")
    story = await serving(house, replicas[0])
    key = make_key()

    await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)
    status, told = await house.get(URL, headers=bearer(Issuer().token(key.id)))

    assert (status, told["reason"]) == (503, "EndpointKeysUncheckable")
    assert "SLIPWAY_ENDPOINT_JWKS" in told["hint"]
    assert (await house.get("/default/other/predict"))[0] == 200


async def test_a_new_key_set_applies_with_the_next_start_of_the_gateway(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    story = await serving(house, replicas[0])
    key = make_key()
    await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)
    newer = Issuer()

    await restart_with_key_set(house, newer.key_set)

    async def opens() -> bool:
        return await reason(house, bearer(newer.token(key.id))) == (200, None)

    await eventually(opens)
    assert await reason(house, bearer(issuer.token(key.id))) == (401, "AccessDenied")


@pytest.mark.parametrize("content", [None, "", "{}", '{"keys": 1}', "[]", '{"keys": []}'])
async def test_a_key_set_that_is_none_stops_the_start_and_names_the_setting(
    house: GatewayHouse, fresh_nats: NatsServer, content: str | None
) -> None:
    await house.stop()
    file = house.envoy.folder / "jwks.json"
    if content is not None:
        file.write_text(content)

    process = gateway_process(house, fresh_nats.url, SLIPWAY_ENDPOINT_JWKS=str(file))
    code = process.wait(timeout=60)

    assert code == 1
