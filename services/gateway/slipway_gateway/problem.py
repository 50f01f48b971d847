"""Problem documents (RFC 9457) that the gateway answers by itself, as templates that the listener holds once.

A route that refuses carries only a status and, as metadata, the members of its problem. What an endpoint
answers is never touched: only local replies of Envoy become problems.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"
DOMAIN: Final = "slipway"
TYPE_PREFIX: Final = "urn:slipway:problem:"
METADATA: Final = "slipway"
_RETRY_SECONDS: Final = 1


def member(name: str) -> str:
    """Return Envoy's operator for a member that the route carries."""
    return f"%METADATA(ROUTE:{METADATA}:{name})%"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason not to answer with the endpoint's own words.

    Attributes:
        reason: stable code: never renamed, never reused.
        status: of the response; None keeps the one that Envoy chose.
        detail: what is the matter, with Envoy's operators.
        hint: what to do next, with Envoy's operators.
        retry_after: seconds after which a retry may help.
        members: numbers and names for programs, where the route carries them.
        mark: status of the route's own reply, where another problem has the same status: replies of routes
            are told apart by nothing else.
    """

    reason: str
    status: HTTPStatus | None
    detail: str
    hint: str
    retry_after: int | None = None
    members: tuple[str, ...] = ()
    mark: HTTPStatus | None = None

    @property
    def title(self) -> str:
        """The reason as words."""
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", self.reason).lower()
        return words[0].upper() + words[1:]

    def body_format(self) -> dict[str, Any]:
        """Return an Envoy `SubstitutionFormatString` that renders the document."""
        document = {
            "type": TYPE_PREFIX + self.reason,
            "title": self.title,
            # Envoy does not know the code of a direct response yet when it writes the body.
            "status": "%RESPONSE_CODE%" if self.status is None else int(self.status),
            "detail": self.detail,
            "reason": self.reason,
            "domain": DOMAIN,
            "hint": self.hint,
            # The path as the client sent it: once forwarded, a request has lost its prefix.
            "instance": "%REQ(X-FORWARDED-PREFIX)%%PATH(NQ)%",
            "request_id": "%REQ(X-REQUEST-ID)%",
            **{name: member(name) for name in self.members},
        }
        if self.retry_after is not None:
            document["retry_after_seconds"] = self.retry_after
        return {"json_format": document, "content_type": MEDIA_TYPE, "omit_empty_values": True}

    def headers(self) -> list[dict[str, Any]]:
        """Return the response headers beside `content-type`, as Envoy `HeaderValueOption`s."""
        if self.retry_after is None:
            return []
        return [{"header": {"key": "retry-after", "value": str(self.retry_after)}}]


def refusal(problem: Problem, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an Envoy route that answers with this problem at once.

    Raises:
        ValueError: the problem has no status of its own.
    """
    if problem.status is None:
        raise ValueError(f"{problem.reason} takes its status from Envoy and answers no route")
    return {"direct_response": {"status": int(problem.mark or problem.status)}, **metadata(members)}


def metadata(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an Envoy route that holds the members of its problem."""
    return {"metadata": {"filter_metadata": {METADATA: dict(members)}}}


_OF_DEPLOYMENT: Final = f"deployment {member('deployment')} of group {member('group')}"
DEPLOYMENT_UNKNOWN: Final = Problem(
    reason="DeploymentUnknown",
    status=HTTPStatus.NOT_FOUND,
    detail="No deployment answers at this path.",
    hint="URLs are /<group>/<deployment>/<endpoint>; `slipway ls` lists the deployments.",
)
ENDPOINT_UNKNOWN: Final = Problem(
    reason="EndpointUnknown",
    status=HTTPStatus.NOT_FOUND,
    detail=f"There is no endpoint of {_OF_DEPLOYMENT} at this path.",
    hint=f"Its endpoints are {member('paths')}.",
    members=("group", "deployment", "endpoints"),
)
DEPLOYMENT_STOPPED: Final = Problem(
    reason="DeploymentStopped",
    status=HTTPStatus.GONE,
    detail=f"The {_OF_DEPLOYMENT} is stopped.",
    hint=f"`slipway start {member('deployment')}` starts it again.",
    members=("group", "deployment"),
)
NO_READY_REPLICA: Final = Problem(
    reason="NoReadyReplica",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail="No replica of this endpoint is ready to take requests.",
    hint="Try again soon; `slipway show` says what the replicas are doing.",
    retry_after=_RETRY_SECONDS,
    members=("group", "deployment", "endpoint"),
)
CREDENTIALS: Final = "credentials"
"""Member of a guarded route: what a request has to show, and how."""
ACCESS_DENIED: Final = Problem(
    reason="AccessDenied",
    status=HTTPStatus.UNAUTHORIZED,
    detail=f"The {_OF_DEPLOYMENT} does not know the caller: %LOCAL_REPLY_BODY%",
    hint=f"Send {member(CREDENTIALS)}.",
    members=("group", "deployment"),
)
KEY_REFUSED: Final = Problem(
    reason="KeyRefused",
    status=HTTPStatus.FORBIDDEN,
    detail=f"This key does not open {_OF_DEPLOYMENT}: it was revoked or removed, or opens another one.",
    hint="Ask an owner of the deployment for a new key.",
    members=("group", "deployment"),
)
ENDPOINT_KEYS_UNCHECKABLE: Final = Problem(
    reason="EndpointKeysUncheckable",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail=f"The {_OF_DEPLOYMENT} wants a key, and this gateway has nothing to check keys by.",
    hint="Set SLIPWAY_ENDPOINT_JWKS of the gateway to the file of the public keys and restart the gateway.",
    members=("group", "deployment"),
    mark=HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
)
ACCESS_NOT_APPLIED: Final = Problem(
    reason="AccessNotApplied",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail=f"Envoy refuses the newest configuration of {_OF_DEPLOYMENT}, which has other rules of access.",
    hint="Envoy's log says what it refuses: deploy without that, or set the access as it was before.",
    members=("group", "deployment"),
    mark=HTTPStatus.LOOP_DETECTED,
)
BODY_TOO_LARGE: Final = Problem(
    reason="BodyTooLarge",
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    detail=f"The body is larger than the {member('max_body_bytes')} bytes that this endpoint takes.",
    hint="Send a smaller body, or raise `max_body` of the endpoint in its manifest.",
    members=("group", "deployment", "endpoint", "max_body_bytes"),
)
GATEWAY_STARTING: Final = Problem(
    reason="GatewayStarting",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail="The gateway does not know the deployments yet.",
    hint="Try again soon; if this lasts, look at the readiness of the gateway service.",
    retry_after=_RETRY_SECONDS,
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
GATEWAY_OVERLOADED: Final = Problem(
    reason="GatewayOverloaded",
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    detail="More requests are in flight than the gateway carries.",
    hint="Try again soon, or with fewer requests at once.",
    retry_after=_RETRY_SECONDS,
)
REQUEST_REFUSED: Final = Problem(
    reason="RequestRefused",
    status=None,
    detail="The gateway could not carry this request.",
    hint="Check that it is valid HTTP; the status says which kind of problem it is.",
)
