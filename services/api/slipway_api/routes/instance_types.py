"""Instance types: configured by admins, named by everybody."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path
from slipway_contracts.names import InstanceTypeName

from slipway_api.answers.installation_views import InstanceType
from slipway_api.answers.views import Page
from slipway_api.bodies.installation_requests import InstanceTypeBody
from slipway_api.refusing import problems
from slipway_api.routes.answers import responses
from slipway_api.routes.parameters import Admin, Api, InEarnest
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/instance-types", tags=("instance-types",))
_Name = Annotated[InstanceTypeName, Path(description="Name of the instance type.", examples=["small"])]


@router.get("", responses=responses(), summary="List the instance types")
async def list_instance_types(*, api: Api) -> Page[InstanceType]:
    """Lists the named sizes of replicas."""
    return Page(items=api.instance_types.all())


@router.get(
    "/{name}", responses=responses(problems.InstanceTypeNotFoundError), summary="Show an instance type"
)
async def get_instance_type(*, name: _Name, api: Api) -> InstanceType:
    """Shows a named size of replicas."""
    return api.instance_types.show(name)


@router.put(
    "/{name}",
    dependencies=[InEarnest],
    responses=responses(
        problems.MalformedBodyError,
        problems.BodyTooLargeError,
        problems.LogUnavailableError,
        problems.StorageFullError,
    ),
    summary="Configure an instance type",
)
async def put_instance_type(*, name: _Name, body: InstanceTypeBody, caller: Admin, api: Api) -> InstanceType:
    """Makes an instance type or replaces it; releases that exist keep the size that they were made with."""
    return await api.instance_types.put(body.configured(name, by=caller.user))


@router.delete(
    "/{name}",
    dependencies=[InEarnest],
    status_code=HTTPStatus.NO_CONTENT,
    responses=responses(
        problems.InstanceTypeNotFoundError, problems.LogUnavailableError, problems.StorageFullError
    ),
    summary="Remove an instance type",
)
async def delete_instance_type(*, name: _Name, caller: Admin, api: Api) -> None:
    """Lets no new request name it; releases that exist go on, and can be rolled back to."""
    await api.instance_types.remove(name, by=caller.user)
