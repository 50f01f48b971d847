"""How mutations answer: 202 with where to look, 200 with the end or the plan."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS
from starlette.responses import Response

from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted, View
from slipway_api.refusing import problems
from slipway_api.refusing.problems import documented
from slipway_api.routes.parameters import Api, Patience
from slipway_api.services import Services

_ALWAYS: Final = (
    problems.KeyMissingError,
    problems.KeyUnknownError,
    problems.RoleMissingError,
    problems.InvalidRequestError,
    problems.StartingError,
)
_OF_READS: Final = (problems.ProjectionUnavailableError, problems.ProjectionBehindError)
_OF_MUTATIONS: Final = (
    problems.MalformedBodyError,
    problems.GroupNotFoundError,
    problems.BodyTooLargeError,
    problems.IdempotencyKeyReusedError,
    problems.ChangedMeanwhileError,
    problems.PreconditionFailedError,
    problems.LogUnavailableError,
    problems.RecordUnreadableError,
    problems.StorageFullError,
)
ACCEPTED: Final[dict[str, Any]] = {"status_code": HTTPStatus.ACCEPTED, "response_model": Accepted}
Responses = dict[int | str, dict[str, Any]]


class Reply:
    """Answers a mutation.

    Args:
        services: to wait for the end.
        patience: how long the client wants to wait; None: not at all.
    """

    def __init__(self, *, services: Services, patience: timedelta | None) -> None:
        self._services = services
        self._patience = patience

    async def __call__(self, outcome: Accepted | Plan, *, secret: bool = False) -> Response:
        """Return the answer, at once or after the wait that the client prefers.

        Args:
            outcome: what became of the request.
            secret: it shows what nothing on its way may keep.
        """
        if isinstance(outcome, Plan):
            return as_json(outcome)
        headers = {"Cache-Control": "no-store"} if secret else {}
        if self._patience is not None:
            outcome = await self._services.queries.ended(outcome, within=self._patience)
            headers["Preference-Applied"] = f"wait={int(self._patience.total_seconds())}"
        operation = outcome.operation
        headers["Location"] = f"/v1/operations/{operation.id}?at_least={outcome.sequence}"
        ended = self._patience is not None and operation.state in TERMINAL_OPERATIONS
        return as_json(outcome, status=HTTPStatus.OK if ended else HTTPStatus.ACCEPTED, headers=headers)


async def _reply(services: Api, patience: Patience) -> Reply:
    return Reply(services=services, patience=patience)


Replying = Annotated[Reply, Depends(_reply)]


def as_json(
    view: View, *, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """Return a view as an answer, encoded once."""
    return Response(
        view.model_dump_json(), status_code=status, headers=headers, media_type="application/json"
    )


def responses(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that may also answer these problems."""
    return documented(*_ALWAYS, *more)


def read_responses(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a read of the projection."""
    return documented(*_ALWAYS, *_OF_READS, *more)


def mutation_responses(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a mutation."""
    accepted = {
        "description": "The log has the command; `Location` tells of its progress.",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "The operation."}},
    }
    ended = {
        "description": "With `Prefer: wait`: it ended. With `dry_run=true`: the plan.",
        "model": Accepted | Plan,
    }
    if problems.DeploymentNotFoundError in more:
        more += (problems.DeploymentPurgingError,)
    return {200: ended, 202: accepted, **documented(*_ALWAYS, *_OF_READS, *_OF_MUTATIONS, *more)}
