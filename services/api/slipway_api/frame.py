"""What surrounds every request: its id, its span, its time, who asks, and how much may be sent.

Refuses before a body is read. Knows no route but those that need no key.
"""

import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from opentelemetry.trace import Span, SpanKind, StatusCode
from prometheus_client import Histogram
from slipway_chassis.logs import log_context
from slipway_chassis.metrics import Metrics
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.envelope import new_id
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_api.identity.access import Principal
from slipway_api.installation.directory import Directory
from slipway_api.installation.uploads import too_large
from slipway_api.refusing import problems
from slipway_api.route_table import UNROUTED, RouteTable
from slipway_api.streams.streaming import STRAIGHT
from slipway_api.submitting.origins import request_in_hand

_OPEN: Final = re.compile(r"/(openapi|asyncapi)\.json|/v1/schemas(/[^/]+)?")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD: Final = "_OTHER"
_UPLOAD: Final = re.compile(r"/v1/groups/[^/]+/artifacts/[^/]+")


class Frame:
    """Gives each request an id, a span that continues the caller's trace, and a place in the metrics.

    Args:
        app: what is inside.
        routes: those of the API.
        telemetry: makes the span.
        metrics: where times are counted.
    """

    def __init__(self, app: ASGIApp, *, routes: RouteTable, telemetry: Telemetry, metrics: Metrics) -> None:
        self._app = app
        self._routes = routes
        self._telemetry = telemetry
        self._seconds = Histogram(
            "slipway_http_seconds",
            "Time to the end of the answer; event streams count in full.",
            ["method", "route", "status"],
            registry=metrics.registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope.setdefault("state", {}).update({"request_id": request_id, STRAIGHT: send})
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        began = time.monotonic()
        method = scope["method"] if scope["method"] in _METHODS else _OTHER_METHOD
        attributes = {
            "http.request.method": method,
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
        }
        if method is _OTHER_METHOD:
            attributes["http.request.method_original"] = scope["method"]
        parent = Headers(scope=scope).get("traceparent")
        with (
            log_context(request_id=request_id),
            request_in_hand(scope),
            self._telemetry.span(method, kind=SpanKind.SERVER, parent=parent, attributes=attributes) as span,
        ):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                known = getattr(scope.get("route"), "path", None)
                route = known or self._routes.find(scope["method"], scope["path"]).path
                self._finish(span, method, route, status)
                seconds = time.monotonic() - began
                self._seconds.labels(method, route, str(status)).observe(seconds)

    def _finish(self, span: Span, method: str, route: str, status: int) -> None:
        if route != UNROUTED:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)


class Gate:
    """Lets in who has a key, with a body of bearable size.

    Args:
        app: what is inside.
        directory: knows the keys.
        largest_body: most bytes of a body that is no artifact.
    """

    def __init__(self, app: ASGIApp, *, directory: Directory, largest_body: int) -> None:
        self._app = app
        self._directory = directory
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            scope["state"]["principal"] = self._authenticated(headers)
            if not _is_upload(scope):
                receive = self._bounded(headers, receive)
        except problems.ProblemError as problem:
            scope["state"]["problem"] = problem
            response = problems.problem_response(problem, scope["state"]["request_id"], scope["path"])
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _authenticated(self, headers: Mapping[str, str]) -> Principal:
        if not self._directory.caught_up.is_set():
            raise problems.StartingError(
                "The api has not read its keys from the log yet.", hint="Try again in a moment."
            )
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise problems.KeyMissingError(
                "The request carries no API key.", hint="Send it as: Authorization: Bearer slw_…"
            )
        principal = self._directory.principal(key.strip())
        if principal is None:
            raise problems.KeyUnknownError(
                "This API key is unknown here, or it was revoked.",
                hint="Look whether key and URL belong to one installation, or ask an admin for a new key.",
            )
        return principal

    def _bounded(self, headers: Mapping[str, str], receive: Receive) -> Receive:
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._largest_body:
            raise too_large(self._largest_body, int(announced))
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._largest_body:
                raise too_large(self._largest_body, received)
            return message

        return bounded


def _is_upload(scope: Scope) -> bool:
    """Say whether the body is an artifact, which is bounded while it is stored."""
    return scope["method"] == "PUT" and _UPLOAD.fullmatch(scope["path"]) is not None
