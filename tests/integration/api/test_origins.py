"""Every mutation of the API leaves a message that says who asked for it, and from where."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_stage import Stage
from api_world import SOURCE, SOURCE_DIGEST, Api, Platform, running_api
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError
from slipway_api.app import make_routes
from slipway_api.auditing import MUTATIONS
from slipway_api.settings import ApiSettings
from slipway_chassis.connection import Connection
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.secrets import make_key_pair
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Origin, now
from slipway_contracts.events import MessageDead, OperationFailed
from slipway_contracts.failure import FailureRecord, Reason
from slipway_contracts.failure import Stage as FailedStage
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.topology import GATEWAYS

UNLOGGED = {"PUT /v1/groups/{group}/artifacts/{digest}"}
"""An upload changes nothing that anybody sees until a command names it, and that one is in the log."""
RECIPIENTS = ("builder", "deployer", "notifier")
DEPLOYMENTS = "/v1/groups/{group}/deployments"
DIGITS = f"{DEPLOYMENTS}/{{deployment}}"
ARTIFACTS = "/v1/groups/{group}/artifacts"


@pytest.fixture
async def api(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api that can seal and sign, a file to be adopted, and a gateway that is gone."""
    (tmp_path / "blobs" / "incoming").mkdir(parents=True)
    (tmp_path / "blobs" / "incoming" / "weights.bin").write_bytes(b"weights")
    record = GatewayRecord(gateway="edge-1", applied=1, at=now()).model_dump_json().encode()
    await Heartbeats(connection=connection, bucket=GATEWAYS.name).beat("edge-1", record)
    recipients, signing = tmp_path / "recipients.json", tmp_path / "signing.pem"
    recipients.write_text(json.dumps({name: make_key_pair().public for name in RECIPIENTS}))
    key = Ed25519PrivateKey.generate()
    signing.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with running_api(
        connection=connection,
        database_url=await make_database(),
        folder=tmp_path,
        secret_keys=recipients,
        endpoint_key_file=signing,
        gateway_silent_after=timedelta(milliseconds=1),
    ) as running:
        yield running


class Walk:
    """Asks one thing after the other; the deployer, played by the test, does what it says at once."""

    def __init__(self, api: Api) -> None:
        self.requests: dict[str, str] = {}
        self._api = api
        self._stage = Stage(platform=api.platform)
        self._lane = 0

    async def __call__(
        self, route: str, body: Any = None, *, content: bytes | None = None, **values: Any
    ) -> httpx.Response:
        method, template = route.split(" ")
        path = template.format(**{"group": "default", "deployment": "digits"} | values)
        headers = {b"User-Agent": "walker/1 (ü)".encode()}
        answer = await self._api.http.request(method, path, json=body, content=content, headers=headers)
        assert answer.is_success, f"{route}: {answer.text}"
        self.requests[route] = answer.headers["x-request-id"]
        last = await self._api.platform.log.last("slipway.default.digits.cmd.deployer.>")
        if last is not None and last.sequence > self._lane:
            self._lane = last.sequence
            await self._stage.take()
        return answer


async def of_the_installation(walk: Walk) -> None:
    await walk("PUT /v1/groups/{group}", {"description": "Vision"}, group="vision")
    await walk("PUT /v1/instance-types/{name}", {"size": {"cpu": 1.0}}, name="small")
    await walk("DELETE /v1/instance-types/{name}", name="small")
    made = await walk("POST /v1/keys", {"user": "bob", "grants": [{"group": "default", "role": "viewer"}]})
    await walk("DELETE /v1/keys/{key}", key=made.json()["id"])
    await walk("DELETE /v1/gateways/{gateway}", gateway="edge-1")
    await walk("PUT /v1/groups/{group}/secrets/{name}", {"value": "x"}, name="token")
    await walk("DELETE /v1/groups/{group}/secrets/{name}", name="token")


async def of_webhooks(walk: Walk) -> None:
    for path in ("/v1/groups/{group}/webhooks", "/v1/webhooks"):
        made = await walk(f"POST {path}", {"url": "https://receiver.example/hook"})
        await walk(f"PATCH {path}/{{webhook}}", {"description": "what it is for"}, webhook=made.json()["id"])
        await walk(f"POST {path}/{{webhook}}/rotate", {}, webhook=made.json()["id"])
        await walk(f"DELETE {path}/{{webhook}}", webhook=made.json()["id"])


async def of_artifacts(walk: Walk) -> None:
    adopted = (await walk(f"POST {ARTIFACTS}/adopt", {"path": "weights.bin"})).json()["digest"]
    await walk(f"POST {ARTIFACTS}/{{digest}}/hide", digest=adopted)
    await walk(f"POST {ARTIFACTS}/{{digest}}/unhide", digest=adopted)
    await walk(f"PUT {ARTIFACTS}/{{digest}}", content=SOURCE, digest=SOURCE_DIGEST)
    built = await walk(f"POST {DIGITS}/builds", {"source": SOURCE_DIGEST})
    await walk(f"POST {DIGITS}/builds/{{build}}/cancel", build=built.json()["build"])


async def of_releases(walk: Walk) -> None:
    await walk(f"POST {DEPLOYMENTS}", {"id": "digits", "version": "20260101.1"})
    await walk(f"PATCH {DIGITS}", {"description": "what it is for"})
    await walk(f"POST {DIGITS}/deploy", {"version": "20260101.2"})
    await walk(f"POST {DIGITS}/redeploy", {})
    await walk(f"POST {DIGITS}/update", {"environment": {"LANG": "C"}})
    await walk(f"POST {DIGITS}/restart", {})
    await walk(f"POST {DIGITS}/scale", {"replicas": 2})
    await walk(f"POST {DIGITS}/rollback", {"to": 1})
    await walk(f"PUT {DIGITS}/aliases/{{alias}}", {"release": 2}, alias="staging")
    await walk(f"DELETE {DIGITS}/aliases/{{alias}}", alias="staging")
    await walk(f"PUT {DIGITS}/releases/{{number}}/pin", number=1)
    await walk(f"DELETE {DIGITS}/releases/{{number}}/pin", number=1)
    await walk(f"POST {DIGITS}/versions/{{version}}/hide", version="20260101.2")
    await walk(f"POST {DIGITS}/versions/{{version}}/unhide", version="20260101.2")


async def of_access(walk: Walk) -> None:
    await walk(f"PUT {DIGITS}/access", {"mode": "keys"})
    made = await walk(f"POST {DIGITS}/access/keys", {"name": "shop"})
    rotated = await walk(f"POST {DIGITS}/access/keys/{{key}}/rotate", {}, key=made.json()["key"]["id"])
    await walk(f"DELETE {DIGITS}/access/keys/{{key}}", key=rotated.json()["key"]["id"])
    await walk(f"POST {DIGITS}/access/users", {"name": "ada"})
    await walk(f"DELETE {DIGITS}/access/users/{{name}}", name="ada")


async def of_ends(walk: Walk) -> None:
    for verb in ("cancel", "stop", "start"):
        await walk(f"POST {DIGITS}/{verb}")
    await walk(f"DELETE {DIGITS}")
    for verb in ("undelete", "purge"):
        await walk(f"POST {DIGITS}/{verb}")


async def of_dead_messages(walk: Walk, platform: Platform) -> None:
    for name, verb in (("lost", "retry"), ("forgotten", "discard")):
        await platform.publish_version(deployment=name)
        made = (await walk(f"POST {DEPLOYMENTS}", {"id": name, "version": "20260101.1"})).json()
        await bury(platform, name, made["operation"]["id"], made["sequence"])
        await walk(f"POST /v1/dead/{{sequence}}/{verb}", sequence=made["sequence"])


async def bury(platform: Platform, deployment: str, operation: str, sequence: int) -> None:
    """Say that a deploy is given up, as the deployer does."""
    owner: dict[str, Any] = {"group": "default", "deployment": deployment}
    failure = FailureRecord(
        stage=FailedStage.COMMAND, reason=Reason.MESSAGE_DEAD, message="gave up", hint="retry", at=now()
    )
    await platform.tell(OperationFailed(**owner, operation=operation, failure=failure))
    await platform.tell(Desired(**owner, position=sequence))
    dead = {"service": "deployer", "message_type": "command.deploy.v1", "deliveries": 20, "error": "?"}
    await platform.tell(
        MessageDead.model_validate({**owner, **dead, "sequence": sequence, "message_id": operation})
    )


def mutations() -> set[str]:
    """Return the routes of the API that may change something, as it describes itself."""
    paths = make_routes().openapi()["paths"]
    every = {(method.upper(), path) for path, item in paths.items() for method in item}
    return {f"{method} {path}" for method, path in every if method in MUTATIONS}


async def origins(api: Api) -> dict[str, Origin]:
    """Return what the log says of requests, by their ids."""
    told = [stored.envelope.origin async for stored in api.platform.log.read("slipway.>", after=0)]
    return {origin.request: origin for origin in told if origin is not None}


async def test_every_mutation_leaves_a_message_that_says_whose_it_was(api: Api) -> None:
    for label in ("20260101.1", "20260101.2"):
        await api.platform.publish_version(label)
    walk = Walk(api)

    await of_the_installation(walk)
    await of_webhooks(walk)
    await of_releases(walk)
    await of_access(walk)
    await of_artifacts(walk)
    await of_dead_messages(walk, api.platform)
    await of_ends(walk)

    told = await origins(api)
    assert walk.requests.keys() == mutations(), "a new route is asked here too"
    assert {route for route, request in walk.requests.items() if request not in told} == UNLOGGED
    assert {(origin.user, origin.address) for origin in told.values()} == {("admin", "127.0.0.1")}
    assert {origin.agent for origin in told.values()} == {"walker/1 (??)"}


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
