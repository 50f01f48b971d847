"""Groups: configured, and listed with what they hold."""

from typing import Annotated, Final

from fastapi import Header, Path
from slipway_contracts.names import GroupName
from starlette.responses import Response

from slipway_api.answers.installation_views import GroupDetail
from slipway_api.answers.views import Page
from slipway_api.bodies.installation_requests import GroupBody
from slipway_api.refusing import problems
from slipway_api.routes.answers import as_json, responses
from slipway_api.routes.parameters import Api, Caller, InEarnest, sequence_of
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups", tags=("groups",))
_Name = Annotated[GroupName, Path(description="Name of the group.", examples=["default"])]


@router.get("", responses=responses(), summary="List your groups")
async def list_groups(*, caller: Caller, api: Api) -> Page[GroupDetail]:
    """Lists the groups in which you have a role, by key or as a member, with use against quota."""
    return Page(items=await api.groups.all(caller))


@router.get(
    "/{group}",
    response_model=GroupDetail,
    responses=responses(problems.GroupNotFoundError),
    summary="Show a group",
)
async def get_group(*, group: _Name, caller: Caller, api: Api) -> Response:
    """Shows quota, use, members and whether the group may deploy; `ETag` goes into `If-Match` of a change."""
    return _answer(await api.groups.show(caller, group))


@router.put(
    "/{group}",
    dependencies=[InEarnest],
    response_model=GroupDetail,
    responses=responses(
        problems.MalformedBodyError,
        problems.BodyTooLargeError,
        problems.PreconditionFailedError,
        problems.ChangedMeanwhileError,
        problems.LogUnavailableError,
        problems.StorageFullError,
    ),
    summary="Configure a group",
)
async def put_group(
    *,
    group: _Name,
    body: GroupBody,
    caller: Caller,
    api: Api,
    if_match: Annotated[
        str | None, Header(description="ETag of the group: do it only if nobody changed it since.")
    ] = None,
) -> Response:
    """Makes a group, or replaces all of its configuration, at once in every api process.

    An admin of the installation may change everything; an admin of the group its members only. A user has
    the larger of the roles of the key and of the membership. A quota below the present use takes nothing
    away: it only refuses more. With `deployments_enabled: false` nothing more is deployed or started; what
    runs goes on, and can be stopped and deleted, and versions can be built.
    """
    wanted = body.configured(group)
    return _answer(await api.groups.put(caller, wanted, sequence_of(if_match, "a group")))


def _answer(group: GroupDetail) -> Response:
    return as_json(group, headers={"ETag": f'"{group.etag}"'})
