"""Refusals that several parts of the API share, with their words.

The types are in `problems`; here is what is said, and what to do next.
"""

from datetime import timedelta

from slipway_contracts.lifecycle import Wanted
from slipway_store.rows import BuildRow

from slipway_api import problems
from slipway_api.lanes import Lane


def require(lane: Lane, group: str, deployment: str) -> None:
    """Refuse a deployment that never was or that was deleted.

    Raises:
        DeploymentNotFoundError: with which of the two it is.
    """
    if lane.exists:
        return
    raise deployment_not_found(group, deployment, deleted=lane.asked is Wanted.DELETED)


def require_running(lane: Lane, group: str, deployment: str) -> None:
    """Refuse a deployment that is stopped, or that is none.

    Raises:
        DeploymentNotFoundError: there is none.
        NotRunningError: it is stopped, or about to be.
    """
    require(lane, group, deployment)
    if lane.asked is Wanted.STOPPED:
        raise problems.NotRunningError(
            f"{group}/{deployment} is stopped, or about to be.",
            hint=f"Run it again with POST /v1/groups/{group}/deployments/{deployment}/start.",
            group=group,
            deployment=deployment,
        )


def deployment_not_found(group: str, deployment: str, *, deleted: bool) -> problems.DeploymentNotFoundError:
    """Return the refusal of a command or a read that names no deployment."""
    what = "was deleted" if deleted else "does not exist"
    return problems.DeploymentNotFoundError(
        f"The deployment {group}/{deployment} {what}.",
        hint=f"List what there is with GET /v1/deployments?group={group}, "
        f"or create it with POST /v1/groups/{group}/deployments.",
        group=group,
        deployment=deployment,
        deleted=deleted,
    )


def build_not_found(group: str, deployment: str, build: str) -> problems.BuildNotFoundError:
    """Return the refusal of what names no build of this deployment."""
    return problems.BuildNotFoundError(
        f"{group}/{deployment} has no build {build}.",
        hint=f"List them with GET /v1/groups/{group}/deployments/{deployment}/builds.",
        group=group,
        deployment=deployment,
        build=build,
    )


def version_not_found(group: str, deployment: str, version: str) -> problems.VersionNotFoundError:
    """Return the refusal of what names no version of this deployment."""
    return problems.VersionNotFoundError(
        f"{group}/{deployment} has no version {version}.",
        hint=f"List them with GET /v1/groups/{group}/deployments/{deployment}/versions.",
        group=group,
        deployment=deployment,
        version=version,
    )


def release_not_found(group: str, deployment: str, number: int) -> problems.ReleaseNotFoundError:
    """Return the refusal of what names no release of this deployment."""
    return problems.ReleaseNotFoundError(
        f"{group}/{deployment} has no release {number}.",
        hint=f"List them with GET /v1/groups/{group}/deployments/{deployment}/releases.",
        group=group,
        deployment=deployment,
        release=number,
    )


def exists(group: str, deployment: str, lane: Lane) -> problems.DeploymentExistsError:
    """Return the refusal to create what is there already."""
    return problems.DeploymentExistsError(
        f"The deployment {group}/{deployment} exists already.",
        hint=f"Deploy to it with POST /v1/groups/{group}/deployments/{deployment}/deploy, or change the id.",
        group=group,
        deployment=deployment,
        etag=lane.last,
    )


def already_running(group: str, deployment: str) -> problems.AlreadyRunningError:
    """Return the refusal to start what is not stopped."""
    return problems.AlreadyRunningError(
        f"{group}/{deployment} is not stopped.",
        hint=f"To run it anew, POST /v1/groups/{group}/deployments/{deployment}/redeploy.",
        group=group,
        deployment=deployment,
    )


def build_ended(row: BuildRow) -> problems.BuildEndedError:
    """Return the refusal to cancel a build that has ended."""
    return problems.BuildEndedError(
        f"The build {row.id} has ended: {row.state}.",
        hint="There is nothing to cancel; its version, if it made one, stays.",
        build=row.id,
        state=row.state,
    )


def projection_behind(sequence: int, patience: timedelta) -> problems.ProjectionBehindError:
    """Return the refusal of a read that asked for more than the projection holds."""
    return problems.ProjectionBehindError(
        f"The projection has not reached sequence {sequence} of the log "
        f"within {patience.total_seconds():g} s.",
        hint="Try again; if it goes on, look at the projector's health and log.",
        at_least=sequence,
        waited_seconds=patience.total_seconds(),
    )
