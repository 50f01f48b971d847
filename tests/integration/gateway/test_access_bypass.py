"""What opens no guarded endpoint: other paths to it, keys of others, several keys at once."""

from typing import Any

import aiohttp
import pytest
import yarl
from gateway_access import (
    URL,
    Issuer,
    basic,
    bearer,
    make_key,
    make_user,
    reason,
    serving,
    with_access,
)
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from slipway_contracts.access import AccessMode
from slipway_contracts.envelope import new_id


async def test_every_path_of_a_guarded_deployment_is_guarded(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await serving(house, replicas[0], max_body_bytes=1000)
    story.aliases = {"staging": {1: 100}}
    with_access(story, AccessMode.BASIC, users=(make_user("ada", "secret"),))
    await house.serve(story.desired)
    paths = ["", "/nothing", "/live/predict", "/staging/predict", "/20260101.1/predict"]

    refused = [await reason(house, {}, f"/default/digits{path}") for path in paths]
    with pytest.raises(aiohttp.WSServerHandshakeError) as no_websocket:
        await house.session.ws_connect(house.envoy.url + URL + "/websocket")
    large = await house.get(URL, "POST", data=b"x" * 1001)
    small = await house.get(URL, "POST", data=b"x", headers=basic("ada", "secret"))

    assert refused == [(401, "AccessDenied")] * len(paths)
    assert (large[0], small[0], no_websocket.value.status) == (401, 200, 401)


async def test_a_key_of_one_deployment_opens_no_other(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    own, other = make_key(), make_key()
    for name, key, replica in zip(("digits", "other"), (own, other), replicas, strict=False):
        story = await serving(house, replica, name)
        await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)

    theirs = bearer(issuer.token(other.id, audience="default/other"))
    pretended = bearer(issuer.token(own.id, audience="default/other"))

    assert await reason(house, theirs) == (403, "KeyRefused")
    assert await reason(house, pretended) == (403, "KeyRefused")
    assert await reason(house, theirs, "/default/other/predict") == (200, None)


async def test_of_two_keys_in_one_request_none_lends_the_other_its_rights(
    house: GatewayHouse, replicas: list[Replica], issuer: Issuer
) -> None:
    own, other = make_key(), make_key()
    for name, key, replica in zip(("digits", "other"), (own, other), replicas, strict=False):
        story = await serving(house, replica, name)
        await house.serve(with_access(story, AccessMode.KEYS, keys=(key,)).desired)
    unknown = issuer.token(new_id(), audience="default/digits")
    theirs = issuer.token(other.id, audience="default/other")

    both_wrong = [
        await reason(house, bearer(first) | {"x-api-key": second})
        for first, second in ((unknown, theirs), (theirs, unknown))
    ]
    with_garbage = await reason(house, bearer(issuer.token(own.id)) | {"x-api-key": "garbage"})

    assert both_wrong == [(403, "KeyRefused")] * 2
    assert with_garbage == (401, "AccessDenied")


async def test_no_detour_of_the_path_leads_around_a_guard(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0], "open", max_body_bytes=1000)
    story = await serving(house, replicas[1], max_body_bytes=1000)
    await house.serve(with_access(story, AccessMode.BASIC, users=(make_user("ada", "secret"),)).desired)
    detours = [
        "/default/open/../digits/predict",
        "/default/open/predict/%2e%2e/%2E./digits/predict",
        "/default/open/predict/..%2f..%2fdigits/predict",
        "/default//digits/predict",
        "/default/open/predict/%252e%252e/%252e%252e/digits/predict",
        "/default/./digits/predict?x=/default/open",
    ]

    statuses = {detour: [await ask_raw(house, detour, data) for data in (None, b"x")] for detour in detours}

    assert statuses[detours[0]] == statuses[detours[1]] == statuses[detours[-1]] == [401, 401]
    assert replicas[1].requests.total() == 0


async def ask_raw(house: GatewayHouse, path: str, data: bytes | None) -> int:
    """Send a path as it stands, with a body of unknown size or none."""
    url = yarl.URL(house.envoy.url + path, encoded=True)

    async def body() -> Any:
        yield data

    async with house.session.post(url, data=body() if data else None) as answer:
        await answer.read()
        return answer.status


async def test_an_upgrade_that_nobody_takes_is_no_matter_of_keys(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await serving(house, replicas[0])

    refused = await reason(house, {"connection": "Upgrade", "upgrade": "unheard-of"})

    assert refused == (403, "RequestRefused")
