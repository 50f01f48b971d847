"""Uploads of sources."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from slipway_api import problems
from slipway_api.routes.answers import as_json, responses
from slipway_api.routes.parameters import Api, DigestPath, ReadableGroup, WritableGroup
from slipway_api.views import Artifact

router: Final = APIRouter(prefix="/v1", tags=["artifacts"])


@router.head(
    "/groups/{group}/artifacts/{digest}",
    responses=responses(problems.ArtifactNotFoundError, problems.GroupNotFoundError),
    response_class=Response,
    summary="Ask whether an artifact is there",
)
async def head_artifact(*, _group: ReadableGroup, digest: DigestPath, api: Api) -> Response:
    """Answers 200 where an upload can be spared; `Content-Length` is the artifact's size."""
    artifact = await api.uploads.find(digest)
    return Response(headers={"Content-Length": str(artifact.size_bytes)})


@router.put(
    "/groups/{group}/artifacts/{digest}",
    response_model=Artifact,
    status_code=HTTPStatus.CREATED,
    responses={
        200: {"model": Artifact, "description": "It was there already."},
        **responses(
            problems.GroupNotFoundError,
            problems.UploadIncompleteError,
            problems.BodyTooLargeError,
            problems.DigestMismatchError,
            problems.StorageFullError,
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    summary="Upload an artifact",
)
async def put_artifact(
    *,
    request: Request,
    _group: WritableGroup,
    digest: DigestPath,
    api: Api,
    content_length: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """Stores a tar.gz under the SHA-256 of its bytes.

    A broken upload stores nothing and is simply repeated; one of what is there already is not read.
    """
    uploaded = await api.uploads.put(digest, request.stream(), announced=content_length)
    return as_json(uploaded.artifact, status=HTTPStatus.CREATED if uploaded.created else HTTPStatus.OK)
