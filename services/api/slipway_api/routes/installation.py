"""Who asks, and what the installation has: groups, targets, keys. Answered from memory."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from slipway_api import problems
from slipway_api.requests import KeyBody
from slipway_api.routes.answers import as_json, responses
from slipway_api.routes.parameters import Admin, Api, Caller, KeyPath
from slipway_api.views import Group, Key, Me, NewKey, Page, Target

router: Final = APIRouter(prefix="/v1", tags=["installation"])


@router.get("/me", responses=responses(), summary="Whose key this is")
async def get_me(*, caller: Caller) -> Me:
    """Answers who the key belongs to and which roles it has; the way to test a key."""
    return Me(user=caller.user, key=caller.key, grants=list(caller.grants))


@router.get("/groups", responses=responses(), summary="List your groups")
async def list_groups(*, caller: Caller, api: Api) -> Page[Group]:
    """Lists the groups in which the key has a role."""
    roles = ((group, caller.role_in(group.group)) for group in api.directory.groups())
    return Page(
        items=[
            Group(name=group.group, description=group.description, role=role.word)
            for group, role in roles
            if role is not None
        ]
    )


@router.get("/targets", responses=responses(), summary="List the targets")
async def list_targets(*, api: Api) -> Page[Target]:
    """Lists where deployments can run, and whether a monitor watches it."""
    return Page(
        items=[
            Target(
                name=each.announced.target,
                engine=each.announced.engine,
                cpu=each.announced.cpu,
                memory_bytes=each.announced.memory_bytes,
                lost=each.lost,
            )
            for each in api.directory.targets()
        ]
    )


@router.get("/keys", responses=responses(), summary="List the API keys")
async def list_keys(*, _admin: Admin, api: Api) -> Page[Key]:
    """Lists the keys that were not revoked; the keys themselves are kept nowhere."""
    return Page(items=api.keys.all())


@router.post(
    "/keys",
    response_model=NewKey,
    status_code=HTTPStatus.CREATED,
    responses=responses(problems.MalformedBodyError, problems.LogUnavailableError, problems.StorageFullError),
    summary="Make an API key",
)
async def create_key(*, body: KeyBody, _admin: Admin, api: Api) -> Response:
    """Makes a key and shows it, once. A repeat makes another one: revoke what you did not get to see."""
    key = await api.keys.create(body)
    headers = {"Location": f"/v1/keys/{key.id}", "Cache-Control": "no-store"}
    return as_json(key, status=HTTPStatus.CREATED, headers=headers)


@router.delete(
    "/keys/{key}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(problems.KeyNotFoundError, problems.LogUnavailableError),
    summary="Revoke an API key",
)
async def revoke_key(*, key: KeyPath, _admin: Admin, api: Api) -> None:
    """The key opens nothing any more once this answers."""
    await api.keys.revoke(key)
