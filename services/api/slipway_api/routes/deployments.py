"""Deployments: created, changed, ended, read."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from slipway_contracts.lifecycle import DeploymentState
from starlette.responses import Response

from slipway_api import problems
from slipway_api.paging import Cut, decode, page
from slipway_api.queries import summary
from slipway_api.requests import CreateBody, DeployBody, RedeployBody
from slipway_api.routes.answers import (
    ACCEPTED,
    Replying,
    as_json,
    mutation_responses,
    read_responses,
)
from slipway_api.routes.parameters import (
    Api,
    Asking,
    Caller,
    DeploymentPath,
    GroupFilter,
    Part,
    Reached,
    ReadableGroup,
    WritableGroup,
    visible,
)
from slipway_api.services import Services
from slipway_api.views import Deployment, DeploymentDetail, Page

router: Final = APIRouter(prefix="/v1", tags=["deployments"])
States = Annotated[
    list[DeploymentState] | None, Query(description="Only these states; default: all but DELETED.")
]
_LISTED: Final = tuple(state for state in DeploymentState if state is not DeploymentState.DELETED)
_RELEASE: Final = (
    problems.VersionNotFoundError,
    problems.SourceMissingError,
    problems.TargetNotFoundError,
    problems.VersionNotRunnableError,
)


async def _list(
    api: Services, groups: list[str] | None, states: list[DeploymentState] | None, cut: Cut
) -> Page[Deployment]:
    after = decode(cut.token, str, str)
    return await page(
        lambda limit: api.queries.rows.deployments(
            groups=groups, states=states or _LISTED, after=after, limit=limit
        ),
        cut,
        key=lambda row: (row.group, row.id),
        view=summary,
    )


@router.get(
    "/deployments",
    dependencies=[Reached],
    responses=read_responses(),
    summary="List deployments of all groups",
)
async def list_all_deployments(
    *,
    cut: Part,
    caller: Caller,
    api: Api,
    group: GroupFilter = None,
    state: States = None,
) -> Page[Deployment]:
    """Lists the deployments that the key may see, by group and id."""
    return await _list(api, visible(caller, group), state, cut)


@router.get(
    "/groups/{group}/deployments",
    dependencies=[Reached],
    responses=read_responses(problems.GroupNotFoundError),
    summary="List the deployments of a group",
)
async def list_deployments(
    *,
    cut: Part,
    group: ReadableGroup,
    api: Api,
    state: States = None,
) -> Page[Deployment]:
    """Lists the deployments of a group by id."""
    return await _list(api, [group], state, cut)


@router.post(
    "/groups/{group}/deployments",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentExistsError, *_RELEASE),
    summary="Create a deployment",
)
async def create_deployment(
    *, group: WritableGroup, body: CreateBody, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Makes a deployment and its first release, of a version or of an uploaded source.

    With `source`, build and deploy are accepted together: the deploy waits for the build, whatever becomes
    of the client. Of many requests that race for one id, exactly one is accepted.
    """
    return await reply(await api.commands.create(ask, group, body))


@router.get(
    "/groups/{group}/deployments/{deployment}",
    response_model=DeploymentDetail,
    dependencies=[Reached],
    responses=read_responses(problems.GroupNotFoundError, problems.DeploymentNotFoundError),
    summary="Show a deployment",
)
async def get_deployment(*, group: ReadableGroup, deployment: DeploymentPath, api: Api) -> Response:
    """Says what runs, where it is called, why something failed, and what is overdue.

    `ETag` is the position of its last command: give it as `If-Match`.
    """
    detail = await api.queries.deployment(group, deployment)
    return as_json(detail, headers={"ETag": f'"{detail.etag}"'})


@router.post(
    "/groups/{group}/deployments/{deployment}/deploy",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, *_RELEASE),
    summary="Deploy a version or a source",
)
async def deploy(
    *,
    group: WritableGroup,
    deployment: DeploymentPath,
    body: DeployBody,
    api: Api,
    ask: Asking,
    reply: Replying,
) -> Response:
    """Makes a release. The body is the whole configuration: what it leaves out takes its default."""
    return await reply(await api.commands.deploy(ask, group, deployment, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/redeploy",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NothingToRunError, *_RELEASE),
    summary="Change the configuration of what runs",
)
async def redeploy(
    *,
    group: WritableGroup,
    deployment: DeploymentPath,
    body: RedeployBody,
    api: Api,
    ask: Asking,
    reply: Replying,
) -> Response:
    """Makes a release like the newest one that was live, but for what the body says."""
    return await reply(await api.commands.redeploy(ask, group, deployment, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/stop",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NotRunningError),
    summary="Stop a deployment",
)
async def stop(
    *, group: WritableGroup, deployment: DeploymentPath, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Takes it off its route and ends its replicas; `start` runs it again as it was."""
    return await reply(await api.commands.stop(ask, group, deployment))


@router.post(
    "/groups/{group}/deployments/{deployment}/start",
    **ACCEPTED,
    responses=mutation_responses(
        problems.DeploymentNotFoundError, problems.AlreadyRunningError, problems.NothingToRunError, *_RELEASE
    ),
    summary="Start a stopped deployment",
)
async def start(
    *, group: WritableGroup, deployment: DeploymentPath, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Runs the newest release that was live again, exactly as it was."""
    return await reply(await api.commands.start(ask, group, deployment))


@router.post(
    "/groups/{group}/deployments/{deployment}/cancel",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NotRunningError),
    summary="Cancel the release on its way",
)
async def cancel(
    *, group: WritableGroup, deployment: DeploymentPath, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Ends the release that is not live yet; what served before goes on."""
    return await reply(await api.commands.cancel(ask, group, deployment))


@router.delete(
    "/groups/{group}/deployments/{deployment}",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError),
    summary="Delete a deployment",
)
async def delete_deployment(
    *, group: WritableGroup, deployment: DeploymentPath, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Stops it and takes it out of every list; its history stays, and its id may be created anew."""
    return await reply(await api.commands.delete(ask, group, deployment))
