"""Operations: the progress of accepted commands."""

from typing import Annotated, Final

from fastapi import Query
from slipway_contracts.lifecycle import OperationState

from slipway_api.answers import progress
from slipway_api.answers.views import Operation, Page
from slipway_api.reading.paging import page
from slipway_api.refusing import problems
from slipway_api.routes.answers import read_responses
from slipway_api.routes.parameters import (
    Api,
    AtLeast,
    Caller,
    DeploymentFilter,
    GroupFilter,
    OperationPath,
    Part,
    Reached,
    visible,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1", tags=("operations",))


@router.get("/operations", dependencies=[Reached], responses=read_responses(), summary="List operations")
async def list_operations(
    *,
    cut: Part,
    caller: Caller,
    api: Api,
    group: GroupFilter = None,
    deployment: DeploymentFilter = None,
    state: Annotated[list[OperationState] | None, Query(description="Only these states.")] = None,
) -> Page[Operation]:
    """Lists the operations that the key may see, the newest first."""
    groups, before = visible(caller, group), cut.behind()
    return await page(
        lambda limit: api.queries.rows.operations(
            groups=groups,
            deployment=deployment,
            states=state,
            before=before,
            limit=limit,
        ),
        cut,
        key=lambda row: (row.accepted,),
        view=progress.from_row,
    )


@router.get(
    "/operations/{operation}",
    responses=read_responses(problems.OperationNotFoundError),
    summary="Show an operation",
)
async def get_operation(
    *, operation: OperationPath, caller: Caller, api: Api, at_least: AtLeast = None
) -> Operation:
    """Shows how far a command has come.

    With the `at_least` of the 202 answer it is always found: where the projection is behind, the command
    itself answers, as PENDING.
    """
    return await api.queries.operation(caller, operation, at_least)
