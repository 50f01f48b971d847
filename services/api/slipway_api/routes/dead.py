"""Messages that services gave up: to be seen, retried and discarded."""

from typing import Annotated, Final

from fastapi import Path, Query
from slipway_store.dead_reads import DeadState
from starlette.responses import Response

from slipway_api.answers.dead_views import DeadMessage, DeadMessageDetail
from slipway_api.answers.views import Page
from slipway_api.reading.paging import page
from slipway_api.refusing import dead_problems, problems
from slipway_api.routes.answers import ACCEPTED, Replying, mutation_responses, read_responses, responses
from slipway_api.routes.parameters import (
    Api,
    Asking,
    Caller,
    DeploymentFilter,
    GroupFilter,
    InEarnest,
    Part,
    Reached,
    visible,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/dead", tags=("dead messages",))
SequencePath = Annotated[
    int, Path(ge=1, le=2**63 - 1, description="Position of the message in the log.", examples=[4711])
]


@router.get("", dependencies=[Reached], responses=read_responses(), summary="List dead messages")
async def list_dead_messages(
    *,
    cut: Part,
    caller: Caller,
    api: Api,
    group: GroupFilter = None,
    deployment: DeploymentFilter = None,
    state: Annotated[DeadState | None, Query(description="Only these.")] = None,
) -> Page[DeadMessage]:
    """Lists the messages that services gave up, the last given up first, with what became of each."""
    groups, before = visible(caller, group), cut.behind()
    return await page(
        lambda limit: api.queries.rows.dead_messages(
            groups=groups, deployment=deployment, state=state, before=before, limit=limit
        ),
        cut,
        key=lambda row: (row.said,),
        view=DeadMessage.model_validate,
    )


@router.get(
    "/{sequence}",
    responses=responses(dead_problems.DeadMessageNotFoundError, problems.LogUnavailableError),
    summary="Show a dead message",
)
async def get_dead_message(*, sequence: SequencePath, caller: Caller, api: Api) -> DeadMessageDetail:
    """Shows the message as it lies in the log, also when it cannot be read, and whether it can be retried."""
    return await api.commands.dead.show(caller, sequence)


@router.post(
    "/{sequence}/retry",
    **ACCEPTED,
    responses=mutation_responses(
        dead_problems.DeadMessageNotFoundError,
        dead_problems.DeadMessageSettledError,
        dead_problems.DeadMessageOvertakenError,
        dead_problems.DeadMessageNotRetriableError,
        dead_problems.DeadMessageUnreadableError,
        problems.NameTakenError,
        problems.DeploymentsDisabledError,
        problems.QuotaExceededError,
        problems.CapacityExceededError,
        problems.AdmissionUnavailableError,
    ),
    summary="Retry a dead command",
)
async def retry_dead_message(*, sequence: SequencePath, api: Api, ask: Asking, reply: Replying) -> Response:
    """Asks anew for what the command asked for: a new command with an operation of its own.

    It is admitted like any other, and refused once the deployment has had a newer command.
    """
    return await reply(await api.commands.dead.retry(ask, sequence))


@router.post(
    "/{sequence}/discard",
    dependencies=[InEarnest],
    responses=responses(
        dead_problems.DeadMessageNotFoundError,
        dead_problems.DeadMessageSettledError,
        problems.ChangedMeanwhileError,
        problems.LogUnavailableError,
        problems.StorageFullError,
    ),
    summary="Discard a dead message",
)
async def discard_dead_message(*, sequence: SequencePath, api: Api, ask: Asking) -> DeadMessage:
    """Says that it needs no attention any more; it stays in the log."""
    return await api.commands.dead.discard(ask, sequence)
