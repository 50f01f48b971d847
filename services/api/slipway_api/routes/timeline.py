"""Where the time of an operation went."""

from typing import Annotated, Final

from fastapi import Query
from slipway_contracts.names import OperationId

from slipway_api.answers.timeline_views import Timeline
from slipway_api.refusing import problems
from slipway_api.routes.answers import read_responses
from slipway_api.routes.parameters import Api, DeploymentPath, Reached, ReadableGroup
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups/{group}/deployments/{deployment}", tags=("operations",))


@router.get(
    "/timeline",
    dependencies=[Reached],
    responses=read_responses(problems.DeploymentNotFoundError, problems.OperationNotFoundError),
    summary="Show where the time of an operation went",
)
async def get_timeline(
    *,
    group: ReadableGroup,
    deployment: DeploymentPath,
    api: Api,
    operation: Annotated[
        OperationId | None, Query(description="Which one; default: the last of the deployment.")
    ] = None,
) -> Timeline:
    """Tells when each stage of an operation began and ended, and what it waits for, from the log alone."""
    return await api.timelines.of(group, deployment, operation)
