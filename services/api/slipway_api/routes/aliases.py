"""Aliases and pins of a deployment."""

from typing import Annotated, Final

from fastapi import Path
from slipway_contracts.names import AliasName
from starlette.responses import Response

from slipway_api.answers.views import Alias, Page
from slipway_api.bodies.settings_bodies import AliasBody
from slipway_api.refusing import lifecycle_problems, problems
from slipway_api.routes.answers import ACCEPTED, Replying, mutation_responses, read_responses
from slipway_api.routes.parameters import (
    Api,
    Changing,
    DeploymentPath,
    Reached,
    ReadableGroup,
    ReleasePath,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups/{group}/deployments/{deployment}", tags=("aliases",))
AliasPath = Annotated[AliasName, Path(description="Name of the alias.", examples=["staging"])]
_OF_RUNNING: Final = (problems.DeploymentNotFoundError, problems.NotRunningError)
_RESTORES: Final = (
    problems.ReleaseNotFoundError,
    problems.DeploymentsDisabledError,
    problems.QuotaExceededError,
    problems.CapacityExceededError,
    problems.AdmissionUnavailableError,
    lifecycle_problems.ReleaseNotRestorableError,
)


@router.get(
    "/aliases",
    dependencies=[Reached],
    responses=read_responses(problems.DeploymentNotFoundError),
    summary="List the aliases",
)
async def list_aliases(*, group: ReadableGroup, deployment: DeploymentPath, api: Api) -> Page[Alias]:
    """Lists every alias with its URL and weights, `live` first."""
    return Page(items=list(await api.queries.aliases(group, deployment)))


@router.get(
    "/aliases/{alias}",
    dependencies=[Reached],
    responses=read_responses(problems.DeploymentNotFoundError, lifecycle_problems.AliasNotFoundError),
    summary="Show an alias",
)
async def get_alias(*, group: ReadableGroup, deployment: DeploymentPath, alias: AliasPath, api: Api) -> Alias:
    """Shows where an alias points and is about to point."""
    return await api.queries.alias(group, deployment, alias)


@router.put(
    "/aliases/{alias}",
    **ACCEPTED,
    responses=mutation_responses(
        *_OF_RUNNING,
        *_RESTORES,
        problems.VersionNotFoundError,
        lifecycle_problems.NameClashError,
        lifecycle_problems.VersionHiddenError,
        lifecycle_problems.VersionRemovedError,
    ),
    summary="Point an alias at releases",
)
async def put_alias(
    *, on: Changing, alias: AliasPath, body: AliasBody, api: Api, reply: Replying
) -> Response:
    """Moves an alias, at once where the releases run; those that do not are started first.

    No request is lost: the alias points where it did until all of its new releases are ready.
    """
    return await reply(await api.commands.aliases.put(*on, alias, body))


@router.delete(
    "/aliases/{alias}",
    **ACCEPTED,
    responses=mutation_responses(
        *_OF_RUNNING, lifecycle_problems.AliasNotFoundError, lifecycle_problems.AliasReservedError
    ),
    summary="Take an alias away",
)
async def remove_alias(*, on: Changing, alias: AliasPath, api: Api, reply: Replying) -> Response:
    """Takes an alias away; releases that no alias and no pin names end."""
    return await reply(await api.commands.aliases.remove(*on, alias))


@router.put(
    "/releases/{number}/pin",
    **ACCEPTED,
    responses=mutation_responses(*_OF_RUNNING, *_RESTORES),
    summary="Pin a release",
)
async def pin_release(*, on: Changing, number: ReleasePath, api: Api, reply: Replying) -> Response:
    """Keeps a release running although no alias names it; one that ended is started again."""
    return await reply(await api.commands.aliases.pin(*on, number))


@router.delete(
    "/releases/{number}/pin",
    **ACCEPTED,
    responses=mutation_responses(*_OF_RUNNING, lifecycle_problems.NotPinnedError),
    summary="Unpin a release",
)
async def unpin_release(*, on: Changing, number: ReleasePath, api: Api, reply: Replying) -> Response:
    """Lets a release end, unless an alias names it."""
    return await reply(await api.commands.aliases.unpin(*on, number))
