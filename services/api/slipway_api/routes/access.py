"""Who may call the endpoints of a deployment."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Path
from slipway_contracts.names import OperationId
from starlette.responses import Response

from slipway_api.answers.lifecycle_views import AccessDetail, NewBasicUser, NewEndpointKey
from slipway_api.bodies.settings_bodies import (
    AccessBody,
    AccountName,
    BasicUserBody,
    EndpointKeyBody,
    RotateKeyBody,
)
from slipway_api.refusing import lifecycle_problems, problems
from slipway_api.routes.answers import ACCEPTED, Replying, mutation_responses, read_responses
from slipway_api.routes.parameters import (
    Api,
    Changing,
    DeploymentPath,
    Reached,
    ReadableGroup,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups/{group}/deployments/{deployment}/access", tags=("access",))
EndpointKeyPath = Annotated[OperationId, Path(description="Id of the key.")]
UserPath = Annotated[AccountName, Path(description="Name of the user.")]
_AT_ONCE: Final = RotateKeyBody()
_SIGNED: Final = (problems.DeploymentNotFoundError, lifecycle_problems.EndpointKeysUnavailableError)


@router.get(
    "",
    dependencies=[Reached],
    responses=read_responses(problems.DeploymentNotFoundError),
    summary="Show who may call",
)
async def get_access(*, group: ReadableGroup, deployment: DeploymentPath, api: Api) -> AccessDetail:
    """Shows mode, users and keys; tokens and passwords are kept nowhere."""
    return await api.queries.access(group, deployment)


@router.put(
    "",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError),
    summary="Say how callers show that they may",
)
async def put_access(*, on: Changing, body: AccessBody, api: Api, reply: Replying) -> Response:
    """`open`: anybody calls; `basic`: users with passwords; `keys`: signed keys. Makes no release."""
    return await reply(await api.commands.settings.set_mode(*on, body))


@router.post(
    "/keys",
    status_code=HTTPStatus.ACCEPTED,
    response_model=NewEndpointKey,
    responses=mutation_responses(*_SIGNED),
    summary="Make a key of the endpoints",
)
async def create_endpoint_key(*, on: Changing, body: EndpointKeyBody, api: Api, reply: Replying) -> Response:
    """Makes a key and shows its token, once. A repeat makes another one, with an Idempotency-Key too."""
    return await reply(await api.commands.settings.add_key(*on, body), secret=True)


@router.post(
    "/keys/{key}/rotate",
    status_code=HTTPStatus.ACCEPTED,
    response_model=NewEndpointKey,
    responses=mutation_responses(
        *_SIGNED, lifecycle_problems.EndpointKeyNotFoundError, lifecycle_problems.EndpointKeyReplacedError
    ),
    summary="Put another key in the place of one",
)
async def rotate_endpoint_key(
    *, on: Changing, key: EndpointKeyPath, api: Api, reply: Replying, body: RotateKeyBody = _AT_ONCE
) -> Response:
    """Makes a key of the same name under a new id; the old one opens nothing once the grace has passed.

    One in its grace cannot be rotated again.
    """
    return await reply(await api.commands.settings.rotate_key(*on, key, body), secret=True)


@router.delete(
    "/keys/{key}",
    **ACCEPTED,
    responses=mutation_responses(
        problems.DeploymentNotFoundError, lifecycle_problems.EndpointKeyNotFoundError
    ),
    summary="Revoke a key of the endpoints",
)
async def revoke_endpoint_key(*, on: Changing, key: EndpointKeyPath, api: Api, reply: Replying) -> Response:
    """The key opens nothing any more once the gateways have heard of it."""
    return await reply(await api.commands.settings.revoke_key(*on, key))


@router.post(
    "/users",
    status_code=HTTPStatus.ACCEPTED,
    response_model=NewBasicUser,
    responses=mutation_responses(problems.DeploymentNotFoundError, lifecycle_problems.BasicUserExistsError),
    summary="Make a user of basic authentication",
)
async def create_basic_user(*, on: Changing, body: BasicUserBody, api: Api, reply: Replying) -> Response:
    """Makes a user and shows the generated password, once."""
    return await reply(await api.commands.settings.add_user(*on, body), secret=True)


@router.delete(
    "/users/{name}",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, lifecycle_problems.BasicUserNotFoundError),
    summary="Delete a user of basic authentication",
)
async def delete_basic_user(*, on: Changing, name: UserPath, api: Api, reply: Replying) -> Response:
    """The user calls nothing any more once the gateways have heard of it."""
    return await reply(await api.commands.settings.remove_user(*on, name))
