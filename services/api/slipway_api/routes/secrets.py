"""Secrets of a group: set, listed by name, removed; never read back."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path, Query
from slipway_contracts.names import SecretName
from starlette.responses import Response

from slipway_api.answers.installation_views import SecretView
from slipway_api.answers.views import Page
from slipway_api.bodies.installation_requests import SecretBody
from slipway_api.refusing import problems
from slipway_api.routes.answers import as_json, responses
from slipway_api.routes.parameters import Api, Caller, InEarnest, ReadableGroup, WritableGroup
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups/{group}/secrets", tags=("secrets",))
_Name = Annotated[SecretName, Path(description="Name of the secret.", examples=["database-url"])]


@router.get("", responses=responses(problems.GroupNotFoundError), summary="List the secrets of a group")
async def list_secrets(*, group: ReadableGroup, api: Api) -> Page[SecretView]:
    """Lists names, newest versions, and who set them when; no value."""
    return Page(items=api.secrets.all(group))


@router.put(
    "/{name}",
    dependencies=[InEarnest],
    response_model=SecretView,
    responses=responses(
        problems.GroupNotFoundError,
        problems.MalformedBodyError,
        problems.BodyTooLargeError,
        problems.ChangedMeanwhileError,
        problems.SecretsUnavailableError,
        problems.LogUnavailableError,
        problems.StorageFullError,
    ),
    summary="Set a secret",
)
async def put_secret(
    *, group: WritableGroup, name: _Name, body: SecretBody, caller: Caller, api: Api
) -> Response:
    """Makes the next version: the value is sealed to the services that may open it, and kept nowhere else.

    Releases that exist keep the version that they were made with. A repeat makes another version.
    """
    secret = await api.secrets.put(group, name, body.value, by=caller.user)
    return as_json(secret, headers={"Cache-Control": "no-store"})


@router.delete(
    "/{name}",
    dependencies=[InEarnest],
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(
        problems.GroupNotFoundError,
        problems.SecretNotFoundError,
        problems.SecretInUseError,
        problems.ChangedMeanwhileError,
        problems.ProjectionUnavailableError,
        problems.ProjectionBehindError,
        problems.LogUnavailableError,
        problems.StorageFullError,
    ),
    summary="Remove a secret",
)
async def delete_secret(
    *,
    group: WritableGroup,
    name: _Name,
    caller: Caller,
    api: Api,
    force: Annotated[
        bool, Query(description="Remove it although releases refer to it: they cannot be started again then.")
    ] = False,
) -> None:
    """Removes all versions; replicas that run keep the value until they end.

    Refused while a release that is kept refers to it: one that runs, a pinned one, or one of the last ten of
    a deployment, to which a rollback is possible. Its version numbers are never given again.
    """
    await api.secrets.remove(group, name, by=caller.user, force=force)
