"""Deployments: created, changed, ended, read."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from starlette.responses import Response

from slipway_api.answers.views import Deployment, DeploymentDetail, Page
from slipway_api.bodies.release_bodies import (
    CreateBody,
    DeployBody,
    RedeployBody,
    RestartBody,
    RollbackBody,
    ScaleBody,
    UpdateBody,
)
from slipway_api.bodies.settings_bodies import SettingsPatch
from slipway_api.reading.listing import ListingFilters, deployments, listing_filters
from slipway_api.refusing import artifact_problems, lifecycle_problems, problems
from slipway_api.routes.answers import (
    ACCEPTED,
    Replying,
    as_json,
    mutation_responses,
    read_responses,
)
from slipway_api.routes.parameters import (
    Api,
    AskedName,
    Asking,
    Caller,
    Changing,
    DeploymentPath,
    GroupFilter,
    Part,
    Reached,
    ReadableGroup,
    WritableGroup,
    visible,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1", tags=("deployments",))
Filters = Annotated[ListingFilters, Depends(listing_filters)]
Level = Annotated[
    Literal["hide", "unload"],
    Query(
        description="`hide` keeps every byte. `unload` also removes the images of its versions, which then "
        "have to be built again."
    ),
]
Moment = Annotated[
    str | None,
    Query(
        max_length=64,
        description="How it stood then: a sequence of the log, or a time of RFC 3339; default: now.",
        examples=["1042", "2026-01-31T12:00:00Z"],
    ),
]
_PLAIN_RESTART: Final = RestartBody()
_BACK: Final = RollbackBody()
_ADMITTED: Final = (
    problems.TargetNotFoundError,
    problems.VersionNotRunnableError,
    problems.DeploymentsDisabledError,
    problems.QuotaExceededError,
    problems.CapacityExceededError,
    problems.AdmissionUnavailableError,
)
_RELEASE: Final = (
    *_ADMITTED,
    problems.VersionNotFoundError,
    artifact_problems.SourceMissingError,
    problems.InstanceTypeNotFoundError,
    problems.SecretNotFoundError,
    lifecycle_problems.NameClashError,
    lifecycle_problems.VersionHiddenError,
    lifecycle_problems.VersionRemovedError,
    lifecycle_problems.ReleaseNotRestorableError,
)
_CHANGE: Final = (problems.DeploymentNotFoundError, problems.NothingToRunError, *_RELEASE)


@router.get(
    "/deployments",
    dependencies=[Reached],
    responses=read_responses(),
    summary="List deployments of all groups",
)
async def list_all_deployments(
    *, cut: Part, caller: Caller, api: Api, filters: Filters, group: GroupFilter = None
) -> Page[Deployment]:
    """Lists the deployments that the key may see."""
    groups = visible(caller, group)
    return await deployments(api.queries.rows, filters, cut, caller=caller, groups=groups)


@router.get(
    "/groups/{group}/deployments",
    dependencies=[Reached],
    responses=read_responses(problems.GroupNotFoundError),
    summary="List the deployments of a group",
)
async def list_deployments(
    *, cut: Part, group: ReadableGroup, caller: Caller, api: Api, filters: Filters
) -> Page[Deployment]:
    """Lists the deployments of a group."""
    return await deployments(api.queries.rows, filters, cut, caller=caller, groups=[group])


@router.post(
    "/groups/{group}/deployments",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentExistsError, problems.NameTakenError, *_RELEASE),
    summary="Create a deployment",
)
async def create_deployment(
    *, group: WritableGroup, body: CreateBody, api: Api, ask: Asking, reply: Replying
) -> Response:
    """Makes a deployment and its first release, of a version or of an uploaded source.

    With `source`, build and deploy are accepted together: the deploy waits for the build, whatever becomes
    of the client. Of many requests that race for one id, exactly one is accepted.
    """
    return await reply(await api.commands.releases.create(ask, group, body))


@router.get(
    "/groups/{group}/deployments/{deployment}",
    response_model=DeploymentDetail,
    dependencies=[Reached],
    responses=read_responses(
        problems.GroupNotFoundError, problems.DeploymentNotFoundError, problems.LogUnavailableError
    ),
    summary="Show a deployment",
)
async def get_deployment(
    *, group: ReadableGroup, deployment: DeploymentPath, asked: AskedName, api: Api, at: Moment = None
) -> Response:
    """Says what runs, where it is called, why something failed, and what is overdue; `at`: what was so then.

    With `at`, a name is whose it was then; where nobody had it, whose it is now.

    `ETag` is the position of its last command: give it as `If-Match`. An answer of the past has none.
    """
    if at is not None:
        return as_json(await api.past.deployment(group, deployment, at, asked=asked))
    detail = await api.queries.deployment(group, deployment)
    return as_json(detail, headers={"ETag": f'"{detail.etag}"'})


@router.post(
    "/groups/{group}/deployments/{deployment}/deploy",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, *_RELEASE),
    summary="Deploy a version or a source",
)
async def deploy(*, on: Changing, body: DeployBody, api: Api, reply: Replying) -> Response:
    """Makes a release. The body is the whole configuration: what it leaves out takes its default."""
    return await reply(await api.commands.releases.deploy(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/redeploy",
    **ACCEPTED,
    responses=mutation_responses(*_CHANGE),
    summary="Replace parts of the configuration of what runs",
)
async def redeploy(*, on: Changing, body: RedeployBody, api: Api, reply: Replying) -> Response:
    """Makes a release like the one that serves the alias, but for what the body gives, which is replaced."""
    return await reply(await api.commands.releases.redeploy(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/update",
    **ACCEPTED,
    responses=mutation_responses(*_CHANGE),
    summary="Patch the configuration of what runs",
)
async def update(*, on: Changing, body: UpdateBody, api: Api, reply: Replying) -> Response:
    """Makes a release after a merge patch (RFC 7396): null puts back the default, or removes an entry."""
    return await reply(await api.commands.releases.update(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/restart",
    **ACCEPTED,
    responses=mutation_responses(*_CHANGE),
    summary="Restart what runs",
)
async def restart(*, on: Changing, api: Api, reply: Replying, body: RestartBody = _PLAIN_RESTART) -> Response:
    """Makes a release like the one that serves the alias, with new replicas."""
    return await reply(await api.commands.releases.restart(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/scale",
    **ACCEPTED,
    responses=mutation_responses(*_CHANGE),
    summary="Scale what runs",
)
async def scale(*, on: Changing, body: ScaleBody, api: Api, reply: Replying) -> Response:
    """Makes a release with more or fewer replicas; those that stay are not touched."""
    return await reply(await api.commands.releases.scale(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/rollback",
    **ACCEPTED,
    responses=mutation_responses(
        problems.ReleaseNotFoundError, lifecycle_problems.NoEarlierReleaseError, *_CHANGE
    ),
    summary="Roll an alias back",
)
async def rollback(*, on: Changing, api: Api, reply: Replying, body: RollbackBody = _BACK) -> Response:
    """Makes an exact copy of an earlier release, without a build.

    A release that `to` names serves the alias alone then; without it, the alias gets its weights of before.
    """
    return await reply(await api.commands.returns.rollback(*on, body))


@router.post(
    "/groups/{group}/deployments/{deployment}/stop",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NotRunningError),
    summary="Stop a deployment",
)
async def stop(*, on: Changing, api: Api, reply: Replying) -> Response:
    """Takes it off its route and ends its replicas; `start` runs it again as it was."""
    return await reply(await api.commands.ends.stop(*on))


@router.post(
    "/groups/{group}/deployments/{deployment}/start",
    **ACCEPTED,
    responses=mutation_responses(problems.AlreadyRunningError, *_CHANGE),
    summary="Start a stopped deployment",
)
async def start(*, on: Changing, api: Api, reply: Replying) -> Response:
    """Runs what served when it was stopped, with every alias as it was."""
    return await reply(await api.commands.returns.start(*on))


@router.post(
    "/groups/{group}/deployments/{deployment}/cancel",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NotRunningError),
    summary="Cancel the release on its way",
)
async def cancel(*, on: Changing, api: Api, reply: Replying) -> Response:
    """Ends the releases that are not live yet; what served before goes on."""
    return await reply(await api.commands.ends.cancel(*on))


@router.patch(
    "/groups/{group}/deployments/{deployment}",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError, problems.NameTakenError),
    summary="Change the settings of a deployment",
)
async def configure(*, on: Changing, body: SettingsPatch, api: Api, reply: Replying) -> Response:
    """Changes name, description, metadata or deadlines, without a release.

    A new name takes effect without downtime; the old one is routed on for the grace time.
    """
    return await reply(await api.commands.settings.patch(*on, body))


@router.delete(
    "/groups/{group}/deployments/{deployment}",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError),
    summary="Delete a deployment",
)
async def delete_deployment(*, on: Changing, api: Api, reply: Replying, level: Level = "hide") -> Response:
    """Stops it and takes it out of every list and route; `undelete` brings it back until it is purged."""
    return await reply(await api.commands.ends.delete(*on, level))


@router.post(
    "/groups/{group}/deployments/{deployment}/undelete",
    **ACCEPTED,
    responses=mutation_responses(
        problems.DeploymentNotFoundError,
        problems.NameTakenError,
        problems.QuotaExceededError,
        problems.AdmissionUnavailableError,
        lifecycle_problems.NotDeletedError,
    ),
    summary="Bring a deleted deployment back",
)
async def undelete(*, on: Changing, api: Api, reply: Replying) -> Response:
    """Brings it back, stopped."""
    return await reply(await api.commands.ends.undelete(*on))


@router.post(
    "/groups/{group}/deployments/{deployment}/purge",
    **ACCEPTED,
    responses=mutation_responses(problems.DeploymentNotFoundError),
    summary="Delete a deployment for good",
)
async def purge(*, on: Changing, api: Api, reply: Replying) -> Response:
    """Ends it and erases its images and its history; nothing brings it back.

    Until it has ended it is PURGING, and found by its id and by its name unless another one has taken that.
    Repeated, the purge begins anew.
    Its id may be created anew; release numbers then go on where they ended.
    """
    return await reply(await api.commands.ends.purge(*on))
