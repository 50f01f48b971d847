"""The one place where whatever went wrong becomes an answer."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from slipway_chassis import errors
from slipway_chassis.logs import get_logger
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_store.connections import DatabaseUnavailableError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from slipway_api.installation.uploads import storage_full
from slipway_api.refusing import artifact_problems, problems, unreadable, validation
from slipway_api.submitting.origins import current_given

_UNREADABLE: Final = (UnknownMessageError, MalformedEnvelopeError, ValidationError)
_HANDLED: Final = (
    HTTPException,
    RequestValidationError,
    ClientDisconnect,
    DatabaseUnavailableError,
    errors.SlipwayError,
    *_UNREADABLE,
    Exception,
)
_log: Final = get_logger()


def install(app: FastAPI) -> None:
    """Let every error of a request be answered by `answer`."""
    for kind in _HANDLED:
        app.add_exception_handler(kind, answer)


async def answer(request: Request, error: Exception) -> Response:
    """Return the problem document for an error."""
    problem = problem_of(error, request)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Of other errors the server itself tells where they came from.
        place = error if isinstance(error, _UNREADABLE) else None
        _log.warning(
            "request failed",
            reason=problem.reason(),
            problem=problem.detail,
            because=repr(error),
            exc_info=place,
        )
    request.state.problem = problem
    return problems.problem_response(problem, request.state.request_id, request.url.path)


def problem_of(error: Exception, request: Request) -> problems.ProblemError:
    """Return the refusal that tells the client about this error."""
    match error:
        case problems.ProblemError():
            return error
        case RequestValidationError():
            route = request.scope.get("route")
            return validation.problem_of(error, route if isinstance(route, APIRoute) else None)
        case HTTPException():
            return _of_http(error, request)
        case ClientDisconnect():
            return artifact_problems.UploadIncompleteError(
                "The client left before the end of the body; nothing was stored.", hint="Send it again."
            )
        case errors.LogFullError() | errors.StorageFullError():
            return storage_full(error)
        case errors.LogUnavailableError():
            return _log_unavailable(error)
        case errors.MessageTooLargeError():
            return problems.BodyTooLargeError(
                f"The command is too large for the log: {error}.",
                hint="Make environment and metadata smaller.",
            )
        case DatabaseUnavailableError():
            return problems.ProjectionUnavailableError(
                f"The projection cannot be reached: {error}.",
                hint="Try again; commands that name everything they need are accepted meanwhile.",
            )
        case _:
            return unreadable.problem_of(error) or problems.InternalFailureError(
                "The platform failed to handle this request.",
                hint="Give the request_id to the operator, who finds the cause in the log of the api.",
            )


def _log_unavailable(error: errors.LogUnavailableError) -> problems.LogUnavailableError:
    """Return what is known of the change that the request in hand asked for."""
    given = current_given()
    if given and given.unconfirmed:
        return problems.LogUnavailableError(
            f"The log did not confirm the change, so it is not known whether it was made ({error}).",
            hint="Look whether it was made before you repeat the request.",
            message=given.unconfirmed,
            outcome="unknown",
        )
    if given and given.any_confirmed:
        return problems.LogUnavailableError(
            f"The log has what the request asked for, but this process cannot read it back ({error}).",
            hint="Look at it in a while before you repeat the request.",
            outcome="stored",
        )
    return problems.LogUnavailableError(
        f"The log cannot be reached: {error}. Nothing was changed.",
        hint="Try again; if it goes on, look whether NATS runs.",
        outcome="nothing",
    )


def _of_http(error: HTTPException, request: Request) -> problems.ProblemError:
    match error.status_code:
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "").split(", ")
            return problems.MethodNotAllowedError(
                f"{request.method} is not possible here.",
                hint=f"Use {', '.join(allowed)}; /openapi.json lists every route.",
                method=request.method,
                allowed=allowed,
            )
        case HTTPStatus.BAD_REQUEST:
            return validation.malformed("it could not be read")
        case _:
            return problems.RouteUnknownError(
                f"There is nothing at {request.url.path}.",
                hint="/openapi.json lists every route.",
                path=request.url.path,
            )
