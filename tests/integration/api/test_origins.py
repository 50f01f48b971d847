"""What a request causes says who asked for it, and from where; `test_audit_walk` asks for everything."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from api_world import SOURCE_DIGEST, Api, running_api
from pydantic import ValidationError
from slipway_api.settings import ApiSettings
from slipway_chassis.connection import Connection
from slipway_contracts.envelope import Origin


async def origins(api: Api) -> dict[str, Origin]:
    """Return what the log says of requests, by their ids."""
    told = [stored.envelope.origin async for stored in api.platform.log.read("slipway.>", after=0)]
    return {origin.request: origin for origin in told if origin is not None}


async def test_what_nobody_asked_for_has_no_origin(api: Api) -> None:
    told = [stored async for stored in api.platform.log.read("slipway.>", after=0)]

    assert {stored.envelope.type for stored in told} >= {"key.configured.v1", "group.configured.v1"}
    assert await origins(api) == {}


async def test_all_messages_of_one_request_name_it(api: Api) -> None:
    await api.upload()

    answer = await api.http.post("/v1/groups/default/deployments", json={"id": "a", "source": SOURCE_DIGEST})

    request = answer.headers["x-request-id"]
    told = [stored.envelope async for stored in api.platform.log.read("slipway.>", after=0)]
    mine = [envelope.type for envelope in told if envelope.origin and envelope.origin.request == request]
    assert sorted(mine) == ["command.build.v1", "command.deploy.v1", "name.claimed.v1"]


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
async def test_a_forwarded_address_is_believed_only_of_a_trusted_proxy(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path, trusted: str
) -> None:
    async with running_api(
        connection=connection, database_url=await make_database(), folder=tmp_path, trusted_proxies=trusted
    ) as api:
        headers = {"X-Forwarded-For": "203.0.113.9"}
        answer = await api.http.put("/v1/groups/vision", json={}, headers=headers)

        told = (await origins(api))[answer.headers["x-request-id"]]
    assert told.address == ("203.0.113.9" if trusted else "127.0.0.1")


@pytest.mark.parametrize("given", ["*", "proxy.example", "10.0.0.0/33", "10.0.0.1, "])
def test_what_is_no_network_is_refused_as_a_trusted_proxy(given: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        ApiSettings.model_validate({"database_url": "postgresql://x", "trusted_proxies": given})
