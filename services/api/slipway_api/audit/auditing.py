"""Which refused requests the audit is told of, and what of them: never a body, a key or a value of a query.

What a request changed needs no telling here: the messages that it caused carry its origin. A dry run changes
nothing, so only that somebody may not ask at all is told of one, never what its checks found.
"""

import re
from typing import Final, Literal

from slipway_contracts.installation_events import RequestRefused
from slipway_contracts.names import NAME_PATTERN
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from slipway_api.audit.refused import RefusedRequests
from slipway_api.identity.access import KEY_PREFIX
from slipway_api.installation.directory import Directory
from slipway_api.refusing import problems
from slipway_api.route_table import RouteTable
from slipway_api.submitting.origins import Given, current_origin

MUTATIONS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_YES: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_REPEAT_THE_REQUEST: Final = (
    problems.InvalidRequestError,
    problems.MalformedBodyError,
    problems.RouteUnknownError,
)
_OF_RIGHTS: Final = (problems.KeyMissingError, problems.KeyUnknownError, problems.RoleMissingError)
_KEY: Final = re.compile(rf"{KEY_PREFIX}[\w-]+")
_LONGEST_MESSAGE: Final = 500


class Audited:
    """Tells of requests that would have changed something and got an error; that is long on its way then.

    Args:
        app: what is inside; it leaves the problem that it answered in the state of the request.
        routes: those of the API.
        directory: knows the groups.
        refused: is told.
    """

    def __init__(
        self, app: ASGIApp, *, routes: RouteTable, directory: Directory, refused: RefusedRequests
    ) -> None:
        self._app = app
        self._routes = routes
        self._directory = directory
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http" and scope["method"] in MUTATIONS:
                self._tell(scope)

    def _tell(self, scope: Scope) -> None:
        problem = scope["state"].get("problem")
        if problem is None or (origin := current_origin()) is None:
            return
        dry_run = _is_dry_run(scope)
        if dry_run and not isinstance(problem, _OF_RIGHTS):
            return
        route, named = self._routes.find(scope["method"], scope["path"])
        group, deployment = scope["state"].get("owner") or (
            named.get("group", ""),
            # A path may say what the deployment is called; what is told of it is told by its id.
            scope["state"].get("deployment") or named.get("deployment", ""),
        )
        # An unknown group would be a subject of the log that anybody could make up.
        known = self._directory.has_group(group)
        valid = known and re.fullmatch(NAME_PATTERN, deployment) is not None
        refused = RequestRefused(
            group=group if known else None,
            deployment=deployment if valid else None,
            method=scope["method"],
            route=route,
            status=int(problem.status),
            reason=problem.reason(),
            message=_words(problem),
            outcome=_outcome(scope["state"]["given"]),
            unconfirmed=scope["state"]["given"].unconfirmed,
            dry_run=dry_run,
        )
        self._refused.tell(refused, origin)


def _is_dry_run(scope: Scope) -> bool:
    return (QueryParams(scope["query_string"]).get("dry_run") or "").lower() in _YES


def _outcome(given: Given) -> Literal["refused", "unknown", "partial"]:
    if given.unconfirmed is not None:
        return "unknown"
    return "partial" if given.any_confirmed else "refused"


def _words(problem: problems.ProblemError) -> str:
    """Return what the client was told, unless that may repeat its body or its path."""
    if isinstance(problem, _REPEAT_THE_REQUEST):
        return ""
    return _KEY.sub(f"{KEY_PREFIX}…", problem.detail)[:_LONGEST_MESSAGE]
