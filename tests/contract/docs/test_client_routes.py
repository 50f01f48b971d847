"""What the client library asks is what the API understands: every path, method, parameter and body."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from slipway import Configuration, ProblemError, Size, Slipway
from slipway.documents import SecretRef, Share
from slipway_api.app import make_routes

Question = Callable[[Slipway], Awaitable[Any]]
DIGEST = "sha256:" + "0" * 64
ID = "0198b2f4-0000-7000-8000-000000000000"
CONFIG = Configuration(
    target="local",
    replicas=2,
    environment={"LANG": "C", "URL": SecretRef(secret="url", version=1)},  # noqa: S106 - a name
    image_pull_secret=SecretRef(secret="registry"),  # noqa: S106 - a name
    strategy="in-place",
    alias="live",
    weight=100,
    size=Size(cpu=0.5, memory_bytes=1 << 28, gpu=1),
    metadata={"git": "1f3c"},
    description="why",
    deadline_seconds=30.0,
)
QUESTIONS: dict[str, Question] = {
    "create": lambda c: c.create("d", source=DIGEST, label="v1", config=CONFIG, settings={"name": "n"}),
    "deploy": lambda c: c.deploy("d", version="v1", config=CONFIG),
    "redeploy": lambda c: c.redeploy("d", version="v1", config=CONFIG.model_copy(update={"size": None})),
    "update": lambda c: c.update("d", {"environment": {"A": None, "B": "1"}, "size": {"cpu": 0.5}}),
    "restart": lambda c: c.restart("d", alias="live", description="why"),
    "scale": lambda c: c.scale("d", 3, alias="live", description="why"),
    "rollback": lambda c: c.rollback("d", to=3, alias="live", description="why"),
    "stop": lambda c: c.stop("d"),
    "start": lambda c: c.start("d"),
    "cancel": lambda c: c.cancel("d"),
    "delete": lambda c: c.delete("d", level="unload"),
    "undelete": lambda c: c.undelete("d"),
    "purge": lambda c: c.purge("d"),
    "plan": lambda c: c.purge("d").only_if("4").plan(),
    "configure": lambda c: c.configure("d", {"name": "n", "metadata": {"a": None}}),
    "shares": lambda c: c.set_alias("d", "a", shares=(Share(release=3, weight=100),)),
    "share": lambda c: c.set_alias("d", "a", release=3),
    "version-alias": lambda c: c.set_alias("d", "a", version="v1"),
    "remove-alias": lambda c: c.remove_alias("d", "a"),
    "pin": lambda c: c.pin("d", 3),
    "unpin": lambda c: c.unpin("d", 3),
    "build": lambda c: c.build("d", source=DIGEST, label="v1"),
    "cancel-build": lambda c: c.cancel_build("d", ID),
    "manifest": lambda c: c.manifest_schema(),
    "show": lambda c: c.deployment("d", at_least=3),
    "show-past": lambda c: c.deployment("d", at="2026-01-31T12:00:00Z"),
    "aliases": lambda c: c.aliases("d"),
    "operation": lambda c: c.operation(ID),
    "build-read": lambda c: c.get_build("d", ID),
    "difference": lambda c: c.difference("d", 1, 2),
    "version": lambda c: c.version("d", "v1"),
    "hide-version": lambda c: c.hide_version("d", "v1"),
    "unhide-version": lambda c: c.hide_version("d", "v1", hidden=False),
    "list": lambda c: anext(c.deployments({"state": ["FAILED"], "metadata": ["a=b"], "mine": ["true"]})),
    "search": lambda c: anext(c.deployments({"q": ["x"], "sort": ["-changed"], "target": ["t"]})),
    "releases": lambda c: anext(c.releases("d")),
    "history": lambda c: anext(c.history("d")),
    "timeline": lambda c: c.timeline("d", operation=ID),
    "versions": lambda c: anext(c.versions("d")),
    "builds": lambda c: anext(c.builds("d")),
    "events": lambda c: anext(c.past_events(deployment="d", types=("release",))),
    "logs": lambda c: anext(c.logs("d", replica="0-1", endpoint="e", tail=1).read(follow=True)),
    "build-log": lambda c: anext(c.build_log("d", ID, tail=1).read(follow=False)),
    "access": lambda c: c.access.get("d"),
    "access-mode": lambda c: c.access.set_mode("d", "keys"),
    "key": lambda c: c.access.add_key("d", "shop", expires_in_seconds=60.0),
    "key-rotate": lambda c: c.access.rotate_key("d", ID, expires_in_seconds=60.0, grace_seconds=1.0),
    "key-revoke": lambda c: c.access.revoke_key("d", ID),
    "user": lambda c: c.access.add_user("d", "ada"),
    "user-remove": lambda c: c.access.remove_user("d", "ada"),
    "secrets": lambda c: anext(c.secrets.all()),
    "secret": lambda c: c.secrets.set("url", "x"),
    "secret-remove": lambda c: c.secrets.remove("url", force=True),
    "webhooks": lambda c: anext(c.webhooks.all()),
    "webhook": lambda c: c.webhooks.get(ID),
    "webhook-make": lambda c: c.webhooks.create({"url": "https://x.example", "types": ["release"]}),
    "webhook-change": lambda c: c.webhooks.change(ID, {"disabled": False, "after": 3}),
    "webhook-rotate": lambda c: c.webhooks.rotate(ID, grace_seconds=60),
    "webhook-ping": lambda c: c.webhooks.ping(ID),
    "webhook-remove": lambda c: c.webhooks.remove(ID),
    "installation-webhooks": lambda c: anext(c.installation.webhooks.all()),
    "installation-webhook": lambda c: c.installation.webhooks.rotate(ID),
    "artifacts": lambda c: anext(c.artifacts.all(hidden=True)),
    "found": lambda c: anext(c.artifacts.found()),
    "adopt": lambda c: c.artifacts.adopt("x.bin"),
    "adopt-version": lambda c: c.artifacts.adopt_version("x.tar.gz", deployment="d", label="v1"),
    "artifact-hide": lambda c: c.artifacts.hide(DIGEST),
    "artifact-unhide": lambda c: c.artifacts.unhide(DIGEST),
    "dead": lambda c: anext(c.dead.all(deployment="d", state="open")),
    "dead-read": lambda c: c.dead.get(3),
    "dead-retry": lambda c: c.dead.retry(3),
    "dead-discard": lambda c: c.dead.discard(3),
    "groups": lambda c: anext(c.installation.groups()),
    "group": lambda c: c.installation.group("g"),
    "group-set": lambda c: c.installation.set_group(
        "g",
        {"quota": {"cpu": 1.5, "gpu": None}, "members": [{"user": "ada", "role": "viewer"}]},
        if_match="3",
    ),
    "types": lambda c: anext(c.installation.instance_types()),
    "type-set": lambda c: c.installation.set_instance_type("small", {"size": {"cpu": 1.0}}),
    "type-remove": lambda c: c.installation.remove_instance_type("small"),
    "targets": lambda c: anext(c.installation.targets()),
    "keys": lambda c: anext(c.installation.api_keys()),
    "key-create": lambda c: c.installation.create_key("bob", [{"group": "*", "role": "viewer"}]),
    "audit": lambda c: anext(
        c.installation.audit({"group": "g", "user": "ada", "refused": "true", "from": "3", "order": "oldest"})
    ),
    "api-key-revoke": lambda c: c.installation.revoke_key(ID),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    parameters: frozenset[str]
    body: Any


class Listener:
    """Answers that there is nothing, and remembers what it was asked last."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Asked | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        names = frozenset(request.query)
        self.asked = Asked(method=request.method.lower(), path=request.path, parameters=names, body=body)
        return web.json_response({"reason": "NotHere", "title": "Not here"}, status=404)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listening = Listener()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listening.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listening.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield listening
    await runner.cleanup()


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return make_routes().openapi()


def route_of(document: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Return the most exact route that takes this request."""
    found = [
        (template.count("{"), item[asked.method])
        for template, item in document["paths"].items()
        if asked.method in item and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), asked.path)
    ]
    assert found, f"the API has no {asked.method.upper()} {asked.path}"
    return dict(min(found, key=lambda each: each[0])[1])


@pytest.mark.parametrize("name", QUESTIONS)
async def test_what_the_client_asks_is_a_route_of_the_api(
    listener: Listener, document: dict[str, Any], name: str
) -> None:
    async with Slipway(listener.url, "slw_x", group="g") as client:
        with suppress(ProblemError):
            await QUESTIONS[name](client)

    assert listener.asked is not None
    route = route_of(document, listener.asked)
    known = {each["name"] for each in route.get("parameters", ()) if each["in"] == "query"}
    # A list that always fits into one page ignores how large that may be.
    assert listener.asked.parameters <= known | {"page_size"}
    content = route.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        assert listener.asked.body is None
    else:
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(listener.asked.body)


def test_every_method_of_the_client_is_asked_here() -> None:
    methods = {name for name in dir(Slipway) if not name.startswith("_") and callable(getattr(Slipway, name))}
    composed = {"follow", "upload", "upload_folder", "put", "events", "require"}

    asked = {name for question in QUESTIONS.values() for name in question.__code__.co_names}

    assert methods - composed <= asked
