"""The HTTP application: routes, errors, and the frame around them."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from slipway_api.answers.views import Problem
from slipway_api.audit.auditing import Audited
from slipway_api.frame import Frame, Gate
from slipway_api.refusing import failures
from slipway_api.route_table import RouteTable
from slipway_api.routes import (
    access,
    aliases,
    artifacts,
    audit,
    dead,
    deployments,
    events,
    gateways,
    groups,
    history,
    installation,
    installation_webhooks,
    instance_types,
    logs,
    operations,
    schemas,
    secrets,
    timeline,
    webhooks,
)
from slipway_api.services import Deps, Services

VERSION: Final = "0.1.0"
_PARTS: Final = (
    *(installation, gateways, groups, instance_types, secrets, artifacts, webhooks, installation_webhooks),
    *(deployments, aliases, access, history, timeline, operations, events, dead, logs, audit, schemas),
)
_DESCRIPTION: Final = """\
Deploys models and tells what became of them.

Every mutation answers 202 with an operation once its command is in the log; an `Idempotency-Key` makes
repeats harmless, `Prefer: wait=N` waits for the end, `dry_run=true` only checks. Errors are RFC 9457
problem documents with a stable `reason` and a `hint`.
"""


class _Application(FastAPI):
    """FastAPI whose OpenAPI document names the problem schema and the bearer key."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            components["schemas"] |= {**schema.pop("$defs", {}), "Problem": schema}
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"key": []}]
            self.openapi_schema = document
        return self.openapi_schema


def make_routes() -> FastAPI:
    """Return the application without its services: enough to describe it."""
    app = _Application(
        title="Slipway",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
    )
    for part in _PARTS:
        # `include_router` would make each route again at the first request, and look for it in two steps.
        app.router.routes.extend(part.router.routes)
    failures.install(app)
    return app


def make_app(deps: Deps) -> ASGIApp:
    """Return the application, ready to serve."""
    app = make_routes()
    app.state.services = Services.of(deps)
    gate = Gate(app, directory=deps.directory, largest_body=deps.settings.max_body_bytes)
    routes = RouteTable(
        route for part in _PARTS for route in part.router.routes if isinstance(route, APIRoute)
    )
    audited = Audited(gate, routes=routes, directory=deps.directory, refused=deps.refused)
    return Frame(audited, routes=routes, telemetry=deps.telemetry, metrics=deps.metrics)
