"""What the routers of all parts have in common: names of operations, and that no parameter is passed over."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

from slipway_api.answers.views import Page
from slipway_api.refusing.validation import unknown_parameters

_OF_LISTS: Final = frozenset({"page_size", "page_token"})
"""Of every list, so that clients need not know which is short enough to come whole."""


class StrictRoute(APIRoute):
    """A route that refuses parameters of the query that it does not know: one may stand for a check."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        handle = super().get_route_handler()
        documented = dict(_parameters(self.dependant))
        known = documented.keys() | (_OF_LISTS if _is_list(self.response_model) else frozenset())
        offered = [name for name, in_schema in documented.items() if in_schema]

        async def handle_known(request: Request) -> Response:
            if request.scope["query_string"] and (unknown := request.query_params.keys() - known):
                raise unknown_parameters(sorted(unknown), offered)
            return await handle(request)

        return handle_known


def make_router(prefix: str = "", *, tags: tuple[str, ...] = ()) -> APIRouter:
    """Return a router whose operations are named as their functions are."""
    return APIRouter(
        prefix=prefix, tags=[*tags], generate_unique_id_function=_operation_id, route_class=StrictRoute
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yield the parameters of the query, each with whether the OpenAPI document has it."""
    for field in dependant.query_params:
        yield field.alias, bool(getattr(field.field_info, "include_in_schema", True))
    for each in dependant.dependencies:
        yield from _parameters(each)


def _is_list(model: Any) -> bool:  # noqa: ANN401 - whatever a route answers
    return isinstance(model, type) and issubclass(model, Page)
