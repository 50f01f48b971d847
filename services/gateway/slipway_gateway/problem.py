"""Problem documents (RFC 9457) that the gateway answers by itself, and their form in Envoy's configuration.

What an endpoint answers is never touched: only local replies of Envoy pass through here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"
DOMAIN: Final = "slipway"
TYPE_PREFIX: Final = "urn:slipway:problem:"
_RETRY_SECONDS: Final = 1


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason not to answer with the endpoint's own words.

    Attributes:
        reason: stable code: never renamed, never reused.
        status: of the response; None keeps the one that Envoy chose.
        detail: what is the matter.
        hint: what to do next.
        retry_after: seconds after which a retry may help.
        members: numbers and names of the message, for programs.
    """

    reason: str
    status: HTTPStatus | None
    detail: str
    hint: str
    retry_after: int | None = None
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The reason as words."""
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", self.reason).lower()
        return words[0].upper() + words[1:]

    def body_format(self) -> dict[str, Any]:
        """Return an Envoy `SubstitutionFormatString` that renders the document."""
        retry = {} if self.retry_after is None else {"retry_after_seconds": self.retry_after}
        document = {
            "type": TYPE_PREFIX + self.reason,
            "title": self.title,
            "detail": self.detail,
            "reason": self.reason,
            "domain": DOMAIN,
            "hint": self.hint,
            **retry,
            **self.members,
        }
        from_request = {
            # Envoy does not know the code of a direct response yet when it writes the body.
            "status": "%RESPONSE_CODE%" if self.status is None else int(self.status),
            "instance": "%PATH(NQ:ORIG_OR_PATH)%",
            "request_id": "%REQ(X-REQUEST-ID)%",
        }
        return {"json_format": _literal(document) | from_request, "content_type": MEDIA_TYPE}

    def headers(self) -> list[dict[str, Any]]:
        """Return the response headers beside `content-type`, as Envoy `HeaderValueOption`s."""
        if self.retry_after is None:
            return []
        return [{"header": {"key": "retry-after", "value": str(self.retry_after)}}]

    def direct_response(self) -> dict[str, Any]:
        """Return the part of an Envoy route that answers with this problem at once.

        Raises:
            ValueError: the problem has no status of its own.
        """
        if self.status is None:
            raise ValueError(f"{self.reason} takes its status from Envoy and answers no route")
        answer: dict[str, Any] = {
            "direct_response": {"status": int(self.status), "body_format": self.body_format()}
        }
        if self.retry_after is not None:
            answer["response_headers_to_add"] = self.headers()
        return answer


def deployment_unknown() -> Problem:
    """No deployment has this path."""
    return Problem(
        reason="DeploymentUnknown",
        status=HTTPStatus.NOT_FOUND,
        detail="No deployment answers at this path.",
        hint="URLs are /<group>/<deployment>/<endpoint>; `slipway ls` lists the deployments.",
    )


def endpoint_unknown(group: str, deployment: str, endpoints: tuple[str, ...]) -> Problem:
    """The deployment serves, but no endpoint has this path."""
    known = ", ".join(f"/{group}/{deployment}/{name}" for name in endpoints)
    return Problem(
        reason="EndpointUnknown",
        status=HTTPStatus.NOT_FOUND,
        detail=f"Deployment {deployment} of group {group} has no endpoint at this path.",
        hint=f"Its endpoints are {known}.",
        members={"group": group, "deployment": deployment, "endpoints": list(endpoints)},
    )


def deployment_stopped(group: str, deployment: str) -> Problem:
    """The deployment was stopped by its users."""
    return Problem(
        reason="DeploymentStopped",
        status=HTTPStatus.GONE,
        detail=f"Deployment {deployment} of group {group} is stopped.",
        hint=f"`slipway start {deployment}` starts it again.",
        members={"group": group, "deployment": deployment},
    )


def no_ready_replica(group: str, deployment: str, endpoint: str | None) -> Problem:
    """Nothing can take the request now; `endpoint` is None before any release serves."""
    subject = f"Endpoint {endpoint}" if endpoint else "No endpoint"
    verb = "has no ready replica" if endpoint else "serves yet"
    named = {} if endpoint is None else {"endpoint": endpoint}
    return Problem(
        reason="NoReadyReplica",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        detail=f"{subject} of deployment {deployment} of group {group} {verb}.",
        hint=f"Try again soon; `slipway show {deployment}` says what its replicas are doing.",
        retry_after=_RETRY_SECONDS,
        members={"group": group, "deployment": deployment, **named},
    )


def gateway_starting() -> Problem:
    """The gateway has not read the log yet, so nothing is known about any path."""
    return Problem(
        reason="GatewayStarting",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        detail="The gateway does not know the deployments yet.",
        hint="Try again soon; if this lasts, look at the readiness of the gateway service.",
        retry_after=_RETRY_SECONDS,
    )


def body_too_large(endpoint: str, max_body_bytes: int) -> Problem:
    """The announced body exceeds the endpoint's `max_body`."""
    return Problem(
        reason="BodyTooLarge",
        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        detail=f"The body is larger than the {max_body_bytes} bytes that endpoint {endpoint} takes.",
        hint="Send a smaller body, or raise `max_body` of the endpoint in its manifest.",
        members={"endpoint": endpoint, "max_body_bytes": max_body_bytes},
    )


UNANNOUNCED_BODY_TOO_LARGE: Final = Problem(
    reason="BodyTooLarge",
    status=None,
    detail="The body is larger than this endpoint takes.",
    hint="Send a smaller body, or raise `max_body` of the endpoint in its manifest.",
)
UPSTREAM_TIMEOUT: Final = Problem(
    reason="UpstreamTimeout",
    status=HTTPStatus.GATEWAY_TIMEOUT,
    detail="The replica did not answer within the endpoint's timeout.",
    hint="Look at the replica's log with `slipway logs`, or raise `timeout` of the endpoint in its manifest.",
)
UPSTREAM_RESET: Final = Problem(
    reason="UpstreamReset",
    status=HTTPStatus.BAD_GATEWAY,
    detail="The replica closed the connection before it answered.",
    hint="Look at the replica's log with `slipway logs`; an endpoint that is `idempotent` gets a retry.",
)
UNREACHABLE: Final = Problem(
    reason="NoReadyReplica",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail="No replica of this endpoint accepts connections.",
    hint="Try again soon; `slipway show` says what the replicas are doing.",
    retry_after=_RETRY_SECONDS,
)
OVERLOADED: Final = Problem(
    reason="GatewayOverloaded",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail="More requests are in flight than the gateway carries.",
    hint="Try again soon, or with fewer requests at once.",
    retry_after=_RETRY_SECONDS,
)
REFUSED: Final = Problem(
    reason="RequestRefused",
    status=None,
    detail="The gateway could not carry this request.",
    hint="Check that it is valid HTTP; the status says which kind of problem it is.",
)


def _literal(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Escape Envoy's operators: a percent sign in a value would otherwise begin one."""
    match value:
        case str():
            return value.replace("%", "%%")
        case list():
            return [_literal(each) for each in value]
        case Mapping():
            return {key: _literal(each) for key, each in value.items()}
        case _:
            return value
