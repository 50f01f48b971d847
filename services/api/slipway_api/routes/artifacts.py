"""Artifacts: uploaded, listed, found and adopted, hidden."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header, Query, Request
from starlette.responses import Response

from slipway_api.answers.installation_views import FoundFile, StoredArtifact
from slipway_api.answers.views import Accepted, Artifact, Page
from slipway_api.bodies.installation_requests import AdoptBody
from slipway_api.bodies.requests import BuildBody
from slipway_api.refusing import artifact_problems, lifecycle_problems, problems
from slipway_api.routes.answers import Replying, as_json, mutation_responses, read_responses, responses
from slipway_api.routes.parameters import (
    Api,
    Asking,
    Caller,
    DigestPath,
    InEarnest,
    Part,
    ReadableGroup,
    WritableGroup,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1", tags=("artifacts",))


@router.get(
    "/groups/{group}/artifacts",
    responses=read_responses(problems.GroupNotFoundError),
    summary="List the artifacts of a group",
)
async def list_artifacts(
    *,
    cut: Part,
    group: ReadableGroup,
    api: Api,
    hidden: Annotated[bool, Query(description="The hidden ones, instead of the others.")] = False,
) -> Page[StoredArtifact]:
    """Lists by digest what was adopted and what something was built from.

    An upload from which nothing was built yet is not listed.
    """
    return await api.artifacts.all(group, cut, hidden=hidden)


@router.get(
    "/groups/{group}/artifacts/found",
    responses=responses(problems.GroupNotFoundError),
    summary="List files that can be adopted",
)
async def list_found(*, group: WritableGroup, api: Api) -> Page[FoundFile]:
    """Lists the files that somebody placed by hand in the folder `incoming` of the blob store.

    A folder there that is named like a group belongs to that group.
    """
    return Page(items=await api.artifacts.found(group))


@router.post(
    "/groups/{group}/artifacts/adopt",
    response_model=StoredArtifact,
    status_code=HTTPStatus.CREATED,
    responses={
        **mutation_responses(
            artifact_problems.FoundFileMissingError,
            artifact_problems.FileUnsettledError,
            lifecycle_problems.NameClashError,
        ),
        200: {
            "model": FoundFile | Accepted,
            "description": "With `dry_run=true`: the file. With `Prefer: wait`: the build ended.",
        },
        201: {"model": StoredArtifact, "description": "It is an artifact now."},
        202: {"model": Accepted, "description": "It is an artifact, and the version is being built."},
    },
    summary="Adopt a file that was found",
)
async def adopt(*, group: WritableGroup, body: AdoptBody, api: Api, ask: Asking, reply: Replying) -> Response:
    """Makes an artifact of a file that was placed by hand; `as: version` builds it at once.

    The file goes from where it was placed once it is an artifact; repeating the request changes nothing.
    With `dry_run=true` nothing is adopted: only what is given is checked.
    """
    if ask.dry_run:
        return as_json(await api.artifacts.require_found(group, body.path))
    artifact = await api.artifacts.adopt(group, body.path, by=ask.caller.user)
    if body.deployment is None:
        return as_json(artifact, status=HTTPStatus.CREATED)
    build = BuildBody(source=artifact.digest, label=body.label)
    return await reply(await api.commands.builds.build(ask, group, body.deployment, build))


_OF_HIDING: Final = responses(
    problems.GroupNotFoundError,
    artifact_problems.ArtifactNotFoundError,
    problems.LogUnavailableError,
    problems.StorageFullError,
)


@router.post(
    "/groups/{group}/artifacts/{digest}/hide",
    dependencies=[InEarnest],
    responses=_OF_HIDING,
    summary="Hide an artifact",
)
async def hide_artifact(
    *, group: WritableGroup, digest: DigestPath, caller: Caller, api: Api
) -> StoredArtifact:
    """Keeps its bytes, but takes it out of every list; nothing is built from it any more."""
    return await api.artifacts.hide(group, digest, hidden=True, by=caller.user)


@router.post(
    "/groups/{group}/artifacts/{digest}/unhide",
    dependencies=[InEarnest],
    responses=_OF_HIDING,
    summary="Show a hidden artifact again",
)
async def unhide_artifact(
    *, group: WritableGroup, digest: DigestPath, caller: Caller, api: Api
) -> StoredArtifact:
    """Lists it again, and lets it be built."""
    return await api.artifacts.hide(group, digest, hidden=False, by=caller.user)


@router.head(
    "/groups/{group}/artifacts/{digest}",
    responses=responses(artifact_problems.ArtifactNotFoundError, problems.GroupNotFoundError),
    response_class=Response,
    summary="Ask whether an artifact is there",
)
async def head_artifact(*, group: ReadableGroup, digest: DigestPath, api: Api) -> Response:
    """Answers 200 where the group has it and an upload can be spared; `Content-Length` is its size."""
    artifact = await api.uploads.find(group, digest)
    return Response(headers={"Content-Length": str(artifact.size_bytes)})


@router.put(
    "/groups/{group}/artifacts/{digest}",
    dependencies=[InEarnest],
    response_model=Artifact,
    status_code=HTTPStatus.CREATED,
    responses={
        200: {"model": Artifact, "description": "The group had it already."},
        **responses(
            problems.GroupNotFoundError,
            artifact_problems.UploadIncompleteError,
            problems.BodyTooLargeError,
            artifact_problems.DigestMismatchError,
            problems.LogUnavailableError,
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
    group: WritableGroup,
    digest: DigestPath,
    caller: Caller,
    api: Api,
    content_length: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """Stores a tar.gz under the SHA-256 of its bytes.

    A broken upload stores nothing and is simply repeated; one of what the group has already is not read.
    """
    uploaded = await api.uploads.put(
        group, digest, request.stream(), by=caller.user, announced=content_length
    )
    return as_json(uploaded.artifact, status=HTTPStatus.CREATED if uploaded.created else HTTPStatus.OK)
