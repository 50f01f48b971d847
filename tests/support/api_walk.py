"""A walk over all that the API can change: one successful call of each route."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from api_stage import Stage
from api_world import SOURCE, SOURCE_DIGEST, Api, Platform, running_api
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from slipway_api.app import make_routes
from slipway_api.audit.auditing import MUTATIONS
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import New, Stored
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.secrets import make_key_pair
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.events import MessageDead, OperationFailed
from slipway_contracts.failure import FailureRecord, Reason
from slipway_contracts.failure import Stage as FailedStage
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.names import derived_id
from slipway_contracts.topology import GATEWAYS
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged

CANARY: Final = "canary-4711-of-the-walk"
"""What the walk sends where nobody but the receiver may read it."""
AGENT: Final = "walker/1 (ü)"
RECIPIENTS: Final = ("deployer", "notifier")
DEPLOYMENTS: Final = "/v1/groups/{group}/deployments"
DIGITS: Final = f"{DEPLOYMENTS}/{{deployment}}"
ARTIFACTS: Final = "/v1/groups/{group}/artifacts"
OWNED: Final = {"group": "default", "deployment": "digits"}
"""Values of the paths, where a step names no others."""
_SHOWN_ONCE: Final = frozenset({"secret", "password", "token"})


@pytest.fixture
async def equipped_api(
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


@dataclass(frozen=True, kw_only=True)
class Step:
    """One successful request.

    Attributes:
        values: what its path named.
    """

    route: str
    request: str
    values: Mapping[str, Any]


class Walk:
    """Asks one thing after the other; the deployer, played by the test, does what it says at once."""

    def __init__(self, api: Api) -> None:
        self.steps: list[Step] = []
        self.secrets: set[str] = {CANARY, api.key}
        self.platform = api.platform
        self._api = api
        self._stage = Stage(platform=api.platform)
        self._lane = 0

    async def __call__(
        self, route: str, body: Any = None, *, content: bytes | None = None, **values: Any
    ) -> httpx.Response:
        method, template = route.split(" ")
        path = template.format(**OWNED | values)
        headers = {b"User-Agent": AGENT.encode()}
        answer = await self._api.http.request(method, path, json=body, content=content, headers=headers)
        assert answer.is_success, f"{route}: {answer.text}"
        named = {name: value for name, value in (OWNED | values).items() if f"{{{name}}}" in template}
        self.steps.append(Step(route=route, request=answer.headers["x-request-id"], values=named))
        if answer.content:
            self.secrets |= set(_shown_once(answer.json()))
        last = await self._api.platform.log.last("slipway.default.digits.cmd.deployer.>")
        if last is not None and last.sequence > self._lane:
            self._lane = last.sequence
            await self._stage.take()
        return answer

    async def everywhere(self) -> None:
        """Ask for everything once."""
        for label in ("20260101.1", "20260101.2"):
            await self._api.platform.publish_version(label)
        await of_the_installation(self)
        await of_webhooks(self)
        await of_releases(self)
        await of_access(self)
        await of_artifacts(self)
        await of_dead_messages(self, self._api.platform)
        await of_ends(self)


def mutations() -> set[str]:
    """Return the routes of the API that may change something, as it describes itself."""
    paths = make_routes().openapi()["paths"]
    every = {(method.upper(), path) for path, item in paths.items() for method in item}
    return {f"{method} {path}" for method, path in every if method in MUTATIONS}


async def of_the_installation(walk: Walk) -> None:
    members = [{"user": "bob", "role": "viewer"}]
    await walk("PUT /v1/groups/{group}", {"description": "Vision", "members": members}, group="vision")
    await walk("PUT /v1/instance-types/{name}", {"size": {"cpu": 1.0}}, name="small")
    await walk("DELETE /v1/instance-types/{name}", name="small")
    made = await walk("POST /v1/keys", {"user": "bob", "grants": [{"group": "default", "role": "viewer"}]})
    await walk("DELETE /v1/keys/{key}", key=made.json()["id"])
    await walk("DELETE /v1/gateways/{gateway}", gateway="edge-1")
    await walk("PUT /v1/groups/{group}/secrets/{name}", {"value": CANARY}, name="token")
    await walk("DELETE /v1/groups/{group}/secrets/{name}", name="token")


async def of_webhooks(walk: Walk) -> None:
    for path in ("/v1/groups/{group}/webhooks", "/v1/webhooks"):
        made = await walk(f"POST {path}", {"url": f"https://receiver.example/hook/{CANARY}"})
        webhook = made.json()["id"]
        await walk(f"PATCH {path}/{{webhook}}", {"description": "what it is for"}, webhook=webhook)
        await walk(f"POST {path}/{{webhook}}/rotate", {}, webhook=webhook)
        async with answered_pings(walk.platform):
            await walk(f"POST {path}/{{webhook}}/ping", webhook=webhook)
        await walk(f"DELETE {path}/{{webhook}}", webhook=webhook)


@asynccontextmanager
async def answered_pings(platform: Platform) -> AsyncIterator[None]:
    """Say during the body that each webhook took its test, as the notifier does."""
    started = asyncio.Event()

    async def answer() -> None:
        async with aclosing(platform.log.follow("slipway.*._.evt.webhook.pinged", start=New())) as items:
            async for item in items:
                started.set()
                if isinstance(item, Stored) and isinstance(ping := item.message, WebhookPinged):
                    owner = {"group": ping.group, "webhook": ping.webhook}
                    told = {"ping": item.sequence, "delivered": True, "seconds": 0.1}
                    await platform.tell(WebhookAnswered.model_validate(owner | told))

    answering = asyncio.create_task(answer())
    await started.wait()
    try:
        yield
    finally:
        answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering


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
    await walk(f"POST {DIGITS}/update", {"environment": {"TOKEN": CANARY}})
    await walk(f"POST {DIGITS}/restart", {})
    await walk(f"POST {DIGITS}/scale", {"replicas": 2})
    await walk(f"POST {DIGITS}/rollback", {"to": 1})
    await walk(f"PUT {DIGITS}/aliases/{{alias}}", {"release": 2}, alias="staging")
    await walk(f"DELETE {DIGITS}/aliases/{{alias}}", alias="staging")
    await walk(f"PUT {DIGITS}/releases/{{number}}/pin", number=1)
    await walk(f"DELETE {DIGITS}/releases/{{number}}/pin", number=1)
    version = derived_id("version", "digits", "20260101.2")
    await walk(f"POST {DIGITS}/versions/{{version}}/hide", version=version)
    await walk(f"POST {DIGITS}/versions/{{version}}/unhide", version=version)


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


def _shown_once(document: Any, name: str = "") -> list[str]:
    """Return what an answer shows to nobody else."""
    match document:
        case dict():
            return [each for key, value in document.items() for each in _shown_once(value, key)]
        case list():
            return [each for value in document for each in _shown_once(value, name)]
        case str() if name in _SHOWN_ONCE:
            return [document]
        case _:
            return []
