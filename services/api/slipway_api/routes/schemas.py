"""What messages look like; for everybody, without a key: a schema is no secret."""

from typing import Annotated, Any, Final

from fastapi import Path
from starlette.responses import Response

from slipway_api.answers.views import Page
from slipway_api.refusing import problems
from slipway_api.routes.part import make_router
from slipway_api.streams import published

router: Final = make_router(tags=("schemas",))
SCHEMA: Final = "application/schema+json"
_OPEN: Final[dict[str, Any]] = {"security": []}
_Type = Annotated[
    str, Path(max_length=128, description="Type of messages, or `manifest`.", examples=["release.ready.v1"])
]


@router.get("/v1/schemas", openapi_extra=_OPEN, summary="List the message types")
def list_schemas() -> Page[published.MessageType]:
    """Lists the types of messages of the log, with where their schemas are."""
    return Page(items=published.message_types())


@router.get(
    "/v1/schemas/{type}",
    openapi_extra=_OPEN,
    response_class=Response,
    responses={
        200: {"description": "JSON Schema 2020-12.", "content": {SCHEMA: {"schema": {"type": "object"}}}},
        **problems.documented(published.SchemaNotFoundError, problems.InvalidRequestError),
    },
    summary="Show the schema of a message type",
)
def get_schema(*, type: _Type) -> Response:  # noqa: A002 - the name of the parameter is public
    """Answers the JSON Schema of the body of such messages; of `manifest`: that of `slipway.yaml`."""
    return Response(published.schema(type), media_type=SCHEMA)


@router.get("/asyncapi.json", include_in_schema=False)
def get_asyncapi() -> Response:
    """Answers the AsyncAPI document of the log."""
    return Response(published.asyncapi(), media_type="application/json")
