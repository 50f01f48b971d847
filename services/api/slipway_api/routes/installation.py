"""Who asks, and what the installation has: targets and keys."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path
from slipway_contracts.installation_events import RoleGrant
from slipway_contracts.names import TargetName
from starlette.responses import Response

from slipway_api.answers.installation_views import TargetDetail
from slipway_api.answers.views import Key, Me, NewKey, Page
from slipway_api.bodies.requests import KeyBody
from slipway_api.refusing import problems
from slipway_api.routes.answers import as_json, responses
from slipway_api.routes.parameters import Admin, Api, Caller, InEarnest, KeyPath
from slipway_api.routes.part import make_router

router: Final = make_router("/v1", tags=("installation",))
_Target = Annotated[TargetName, Path(description="Name of the target.", examples=["local"])]


@router.get("/me", responses=responses(), summary="Whose key this is")
async def get_me(*, caller: Caller) -> Me:
    """Answers who the key belongs to and which roles both have; the way to test a key."""
    memberships = [RoleGrant(group=group, role=role.word) for group, role in caller.memberships.items()]
    return Me(user=caller.user, key=caller.key, grants=list(caller.grants), memberships=memberships)


@router.get("/targets", responses=responses(), summary="List the targets")
async def list_targets(*, caller: Caller, api: Api) -> Page[TargetDetail]:
    """Lists where deployments can run, what they hold of it, and whether a monitor watches it."""
    return Page(items=await api.targets.all(caller))


@router.get("/targets/{target}", responses=responses(problems.TargetAbsentError), summary="Show a target")
async def get_target(*, target: _Target, caller: Caller, api: Api) -> TargetDetail:
    """Shows capacity, use, health, and the workloads that it runs although nobody wants them."""
    return await api.targets.show(caller, target)


@router.get("/keys", responses=responses(), summary="List the API keys")
async def list_keys(*, _admin: Admin, api: Api) -> Page[Key]:
    """Lists the keys that were not revoked; the keys themselves are kept nowhere."""
    return Page(items=api.keys.all())


@router.post(
    "/keys",
    dependencies=[InEarnest],
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
    dependencies=[InEarnest],
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(problems.KeyNotFoundError, problems.LogUnavailableError),
    summary="Revoke an API key",
)
async def revoke_key(*, key: KeyPath, _admin: Admin, api: Api) -> None:
    """The key opens nothing any more once this answers."""
    await api.keys.revoke(key)
