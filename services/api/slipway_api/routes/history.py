"""What was made of a deployment: builds, versions, releases."""

from typing import Annotated, Final

from fastapi import Path, Query
from slipway_contracts.lifecycle import BuildState, ReleaseState
from starlette.responses import Response

from slipway_api.answers.details import release
from slipway_api.answers.lifecycle_views import HistoryEntry, ReleaseDiff, VersionDetail
from slipway_api.answers.views import Build, Page, Release, VersionSummary
from slipway_api.bodies.requests import BuildBody
from slipway_api.reading.paging import page
from slipway_api.reading.versions import version
from slipway_api.refusing import artifact_problems, lifecycle_problems, problems, refusals
from slipway_api.routes.answers import (
    ACCEPTED,
    Replying,
    mutation_responses,
    read_responses,
    responses,
)
from slipway_api.routes.parameters import (
    LARGEST_RELEASE,
    Api,
    BuildPath,
    Changing,
    DeploymentPath,
    Part,
    Reached,
    ReadableGroup,
    ReleasePath,
    VersionPath,
)
from slipway_api.routes.part import make_router

router: Final = make_router("/v1/groups/{group}/deployments/{deployment}")


@router.post(
    "/builds",
    **ACCEPTED,
    responses=mutation_responses(
        artifact_problems.SourceMissingError,
        artifact_problems.ArtifactHiddenError,
        lifecycle_problems.NameClashError,
    ),
    tags=["builds"],
    summary="Build a version",
)
async def create_build(*, on: Changing, body: BuildBody, api: Api, reply: Replying) -> Response:
    """Makes a version from an uploaded source and deploys nothing; the deployment need not exist yet.

    The id of the operation is the id of the build, and of its version.
    """
    return await reply(await api.commands.builds.build(*on, body))


@router.get(
    "/builds", dependencies=[Reached], responses=read_responses(), tags=["builds"], summary="List the builds"
)
async def list_builds(
    *,
    cut: Part,
    group: ReadableGroup,
    deployment: DeploymentPath,
    api: Api,
    state: Annotated[list[BuildState] | None, Query(description="Only these states.")] = None,
) -> Page[Build]:
    """Lists the builds of a deployment, the newest first."""
    before = cut.behind()
    return await page(
        lambda limit: api.queries.rows.builds(
            groups=[group],
            deployment=deployment,
            states=state,
            before=before,
            limit=limit,
        ),
        cut,
        key=lambda row: (row.accepted,),
        view=Build.model_validate,
    )


@router.get(
    "/builds/{build}",
    dependencies=[Reached],
    responses=read_responses(problems.BuildNotFoundError),
    tags=["builds"],
    summary="Show a build",
)
async def get_build(*, group: ReadableGroup, deployment: DeploymentPath, build: BuildPath, api: Api) -> Build:
    """Shows the steps of a build, and why it failed."""
    row = await api.queries.rows.build(build)
    if row is None or (row.group, row.deployment) != (group, deployment):
        raise refusals.build_not_found(group, deployment, build)
    return Build.model_validate(row)


@router.post(
    "/builds/{build}/cancel",
    **ACCEPTED,
    responses=mutation_responses(problems.BuildNotFoundError, problems.BuildEndedError),
    tags=["builds"],
    summary="Cancel a build",
)
async def cancel_build(*, on: Changing, build: BuildPath, api: Api, reply: Replying) -> Response:
    """Ends a build at once; a deploy that waits for it ends too."""
    return await reply(await api.commands.builds.cancel(*on, build))


@router.get(
    "/versions",
    dependencies=[Reached],
    responses=read_responses(),
    tags=["versions"],
    summary="List the versions",
)
async def list_versions(
    *,
    cut: Part,
    group: ReadableGroup,
    deployment: DeploymentPath,
    api: Api,
    hidden: Annotated[bool, Query(description="The hidden ones instead of the others.")] = False,
) -> Page[VersionSummary]:
    """Lists the versions of a deployment, the newest first."""
    before = cut.behind()
    return await page(
        lambda limit: api.queries.rows.versions(group, deployment, hidden=hidden, before=before, limit=limit),
        cut,
        key=lambda row: (row.made,),
        view=version,
    )


@router.get(
    "/versions/{version}",
    dependencies=[Reached],
    responses=read_responses(problems.VersionNotFoundError),
    tags=["versions"],
    summary="Show a version",
)
async def get_version(
    *, group: ReadableGroup, deployment: DeploymentPath, version: VersionPath, api: Api
) -> VersionDetail:
    """Shows a version by its label or id: digests, layers, endpoints, source, and whether it can run."""
    return await api.versions.detail(group, deployment, version)


_HIDES: Final = responses(
    problems.VersionNotFoundError,
    problems.GroupNotFoundError,
    problems.PreconditionFailedError,
    problems.LogUnavailableError,
    problems.StorageFullError,
    problems.ProjectionUnavailableError,
    problems.ProjectionBehindError,
)


@router.post("/versions/{version}/hide", responses=_HIDES, tags=["versions"], summary="Hide a version")
async def hide_version(*, on: Changing, version: VersionPath, api: Api) -> VersionSummary:
    """Keeps every byte of it, but neither lists nor deploys it any more; what runs of it goes on."""
    return await api.versions.hide(*on, version, hidden=True)


@router.post(
    "/versions/{version}/unhide", responses=_HIDES, tags=["versions"], summary="Show a hidden version again"
)
async def unhide_version(*, on: Changing, version: VersionPath, api: Api) -> VersionSummary:
    """Lists and deploys it again."""
    return await api.versions.hide(*on, version, hidden=False)


@router.get(
    "/releases",
    dependencies=[Reached],
    responses=read_responses(),
    tags=["releases"],
    summary="List the releases",
)
async def list_releases(
    *,
    cut: Part,
    group: ReadableGroup,
    deployment: DeploymentPath,
    api: Api,
    state: Annotated[list[ReleaseState] | None, Query(description="Only these states.")] = None,
) -> Page[Release]:
    """Lists the releases of a deployment, the newest first: its history."""
    before = cut.behind()
    return await page(
        lambda limit: api.queries.rows.releases(group, deployment, states=state, before=before, limit=limit),
        cut,
        key=lambda row: (row.number,),
        view=release,
    )


@router.get(
    "/releases/{number}",
    dependencies=[Reached],
    responses=read_responses(problems.ReleaseNotFoundError),
    tags=["releases"],
    summary="Show a release",
)
async def get_release(
    *, group: ReadableGroup, deployment: DeploymentPath, number: ReleasePath, api: Api
) -> Release:
    """Shows a release with its complete configuration, why it failed, and whether it can run again."""
    return await api.histories.release(group, deployment, number)


@router.get(
    "/releases/{number}/diff/{other}",
    dependencies=[Reached],
    responses=read_responses(problems.ReleaseNotFoundError),
    tags=["releases"],
    summary="Compare two releases",
)
async def diff_releases(
    *,
    group: ReadableGroup,
    deployment: DeploymentPath,
    number: ReleasePath,
    other: Annotated[int, Path(ge=1, le=LARGEST_RELEASE, description="The release to compare it with.")],
    api: Api,
) -> ReleaseDiff:
    """Tells field by field what the other release has in the place of what this one has."""
    return await api.histories.diff(group, deployment, number, other)


@router.get(
    "/history",
    dependencies=[Reached],
    responses=read_responses(),
    tags=["releases"],
    summary="Show the history",
)
async def get_history(
    *, cut: Part, group: ReadableGroup, deployment: DeploymentPath, api: Api
) -> Page[HistoryEntry]:
    """Tells of every release who made it, of what, when, and what became of it; the newest first."""
    return await api.histories.page(group, deployment, cut)
