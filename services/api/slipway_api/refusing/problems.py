"""Refusals as types, and the RFC 9457 documents they become.

A reason is the class name without `Error`; it is stable. Nothing here decides when a request is refused.
"""

import re
from http import HTTPStatus
from typing import Any, ClassVar, Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"
DOMAIN: Final = "slipway"
TYPE_PREFIX: Final = "urn:slipway:problem:"


class ProblemError(HTTPException):
    """A request that is answered with a problem document.

    An HTTPException, because FastAPI lets only those through when they are raised while it reads a body.

    Args:
        detail: what is the matter with this request, in one or two sentences.
        hint: what to do next.
        members: every number and name of the message, for programs.
    """

    status: ClassVar[HTTPStatus]
    retry_after: ClassVar[int | None] = None

    def __init__(self, detail: str, *, hint: str, **members: Any) -> None:  # noqa: ANN401 - any JSON
        super().__init__(int(self.status), detail)
        self.hint = hint
        self.members = members

    @classmethod
    def reason(cls) -> str:
        """Return the stable code."""
        return cls.__name__.removesuffix("Error")

    @classmethod
    def title(cls) -> str:
        """Return the reason as words."""
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", cls.reason()).lower()
        return words[0].upper() + words[1:]

    def answer_headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def document(self) -> dict[str, Any]:
        """Return the problem document, without the request's id."""
        members = {} if self.retry_after is None else {"retry_after_seconds": self.retry_after}
        return {
            "type": TYPE_PREFIX + self.reason(),
            "title": self.title(),
            "status": int(self.status),
            "detail": self.detail,
            "reason": self.reason(),
            "domain": DOMAIN,
            "hint": self.hint,
            **members,
            **self.members,
        }


def problem_response(problem: ProblemError, request_id: str, path: str) -> JSONResponse:
    """Return the answer that tells the client about this problem."""
    body = problem.document() | {"instance": path, "request_id": request_id}
    return JSONResponse(
        body, status_code=int(problem.status), headers=problem.answer_headers(), media_type=MEDIA_TYPE
    )


class MalformedBodyError(ProblemError):
    """The body is not JSON."""

    status = HTTPStatus.BAD_REQUEST


class KeyMissingError(ProblemError):
    """The request carries no bearer key."""

    status = HTTPStatus.UNAUTHORIZED

    def answer_headers(self) -> dict[str, str]:
        """Return the challenge of RFC 6750."""
        return {"WWW-Authenticate": 'Bearer realm="slipway"'}


class KeyUnknownError(ProblemError):
    """The key is not one of this installation, or it was revoked."""

    status = HTTPStatus.UNAUTHORIZED

    def answer_headers(self) -> dict[str, str]:
        """Return the challenge of RFC 6750."""
        return {"WWW-Authenticate": 'Bearer realm="slipway", error="invalid_token"'}


class RoleMissingError(ProblemError):
    """The key has no role that allows this."""

    status = HTTPStatus.FORBIDDEN


class DeploymentsDisabledError(ProblemError):
    """The group may not deploy; what it runs goes on, and can be stopped and deleted."""

    status = HTTPStatus.FORBIDDEN


class QuotaExceededError(ProblemError):
    """The group would hold more than its quota."""

    status = HTTPStatus.FORBIDDEN


class RouteUnknownError(ProblemError):
    """No such path."""

    status = HTTPStatus.NOT_FOUND


class GroupNotFoundError(ProblemError):
    """No such group."""

    status = HTTPStatus.NOT_FOUND


class DeploymentNotFoundError(ProblemError):
    """No such deployment, or it was deleted."""

    status = HTTPStatus.NOT_FOUND


class VersionNotFoundError(ProblemError):
    """No such version of this deployment."""

    status = HTTPStatus.NOT_FOUND


class BuildNotFoundError(ProblemError):
    """No such build of this deployment."""

    status = HTTPStatus.NOT_FOUND


class ReleaseNotFoundError(ProblemError):
    """No such release of this deployment."""

    status = HTTPStatus.NOT_FOUND


class OperationNotFoundError(ProblemError):
    """No such operation."""

    status = HTTPStatus.NOT_FOUND


class InstanceTypeNotFoundError(ProblemError):
    """No such instance type, or it was removed."""

    status = HTTPStatus.NOT_FOUND


class SecretNotFoundError(ProblemError):
    """No such secret of this group, or no such version of it."""

    status = HTTPStatus.NOT_FOUND


class KeyNotFoundError(ProblemError):
    """No such API key."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowedError(ProblemError):
    """The path exists, the method does not."""

    status = HTTPStatus.METHOD_NOT_ALLOWED

    def answer_headers(self) -> dict[str, str]:
        """Return the methods that exist."""
        return {"Allow": ", ".join(self.members["allowed"])}


class DeploymentExistsError(ProblemError):
    """A deployment of this id exists already."""

    status = HTTPStatus.CONFLICT


class DeploymentPurgingError(ProblemError):
    """The deployment is being purged, which only a repeated purge or a create changes."""

    status = HTTPStatus.CONFLICT


class NameTakenError(ProblemError):
    """Another deployment of the group has this name, or had it a moment ago."""

    status = HTTPStatus.CONFLICT


class CapacityExceededError(ProblemError):
    """The target has no room for this."""

    status = HTTPStatus.CONFLICT


class SecretInUseError(ProblemError):
    """Releases that are kept refer to the secret."""

    status = HTTPStatus.CONFLICT


class NotRunningError(ProblemError):
    """The deployment is stopped, or stopping."""

    status = HTTPStatus.CONFLICT


class AlreadyRunningError(ProblemError):
    """The deployment is not stopped."""

    status = HTTPStatus.CONFLICT


class NothingToRunError(ProblemError):
    """The deployment has no release that could be run again."""

    status = HTTPStatus.CONFLICT


class BuildEndedError(ProblemError):
    """The build has ended and cannot be canceled."""

    status = HTTPStatus.CONFLICT


class ChangedMeanwhileError(ProblemError):
    """Other commands came first, each time the request was tried."""

    status = HTTPStatus.CONFLICT
    retry_after = 1


class PreconditionFailedError(ProblemError):
    """The deployment has had another command since the ETag was read."""

    status = HTTPStatus.PRECONDITION_FAILED


class BodyTooLargeError(ProblemError):
    """The body is larger than this installation allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class InvalidRequestError(ProblemError):
    """Fields or parameters of the request break their rules; `errors` lists each."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class IdempotencyKeyReusedError(ProblemError):
    """The Idempotency-Key was used for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TargetNotFoundError(ProblemError):
    """No such target."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TargetAbsentError(TargetNotFoundError):
    """No such target."""

    status = HTTPStatus.NOT_FOUND

    @classmethod
    def reason(cls) -> str:
        """Return the code of what it is, whichever way it was named."""
        return TargetNotFoundError.reason()


class VersionNotRunnableError(ProblemError):
    """The target cannot run this version as asked."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InternalFailureError(ProblemError):
    """A defect of the platform."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class LogUnavailableError(ProblemError):
    """The log could not be reached; whether a command was accepted is not known."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 2


class RecordUnreadableError(ProblemError):
    """A newer release of the platform wrote a record that this api has to read."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class StartingError(ProblemError):
    """The api has not read its keys yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 1


class ProjectionUnavailableError(ProblemError):
    """Postgres could not be reached."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 2


class AdmissionUnavailableError(ProblemError):
    """Postgres, where use is counted, could not be reached, and the group has limits."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 2


class SecretsUnavailableError(ProblemError):
    """This installation has no keys to seal secrets with."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class ProjectionBehindError(ProblemError):
    """The projection has not reached the asked position in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after = 1


class StorageFullError(ProblemError):
    """The disk that holds blobs or the log is full."""

    status = HTTPStatus.INSUFFICIENT_STORAGE


def documented(*problems: type[ProblemError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that may answer these problems."""
    responses: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        text = f"`{problem.reason()}`: {(problem.__doc__ or '').strip()}"
        known = responses.setdefault(
            int(problem.status),
            {
                "description": "",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        known["description"] = f"{known['description']}\n\n{text}".strip()
    return responses
