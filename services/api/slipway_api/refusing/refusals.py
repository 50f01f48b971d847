"""Refusals that several parts of the API share, with their words.

The types are in `problems`; here is what is said, and what to do next.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from pydantic import ValidationError
from slipway_contracts.installation_events import InstanceTypeConfigured
from slipway_contracts.lifecycle import Wanted
from slipway_store.rows import BuildRow

from slipway_api.installation.directory import TargetKnown
from slipway_api.refusing import problems
from slipway_api.refusing.calling import path_of, spoken
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane

ProblemT = TypeVar("ProblemT", bound=problems.ProblemError)


def require(lane: Lane, group: str, deployment: str) -> None:
    """Refuse a deployment that never was or that was deleted.

    Raises:
        DeploymentNotFoundError: with which of the two it is.
        DeploymentPurgingError: it is on its way out for good.
    """
    if lane.exists:
        return
    if lane.purging:
        raise deployment_purging(group, deployment)
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
            f"{spoken(group, deployment)} is stopped, or about to be.",
            hint=f"Run it again with POST {path_of(group, deployment)}/start.",
            group=group,
            deployment=deployment,
        )


def require_etag(ask: Ask, lane: Lane) -> None:
    """Refuse what was decided on an earlier state of the deployment.

    Raises:
        PreconditionFailedError: it has had another command since.
    """
    if ask.if_match is None or ask.if_match == lane.last:
        return
    raise problems.PreconditionFailedError(
        f"The deployment has had another command: its ETag is {lane.last}, not {ask.if_match}.",
        hint="Read the deployment again, look at what changed, and repeat with the new ETag.",
        etag=lane.last,
        if_match=ask.if_match,
        deleted=lane.asked is Wanted.DELETED,
    )


def deployment_not_found(group: str, deployment: str, *, deleted: bool) -> problems.DeploymentNotFoundError:
    """Return the refusal of a command or a read that names no deployment."""
    what = "was deleted" if deleted else "does not exist"
    back = f"bring it back with POST {path_of(group, deployment)}/undelete, "
    return problems.DeploymentNotFoundError(
        f"The deployment {spoken(group, deployment)} {what}.",
        hint=f"List what there is with GET /v1/deployments?group={group}, {back if deleted else ''}"
        f"or create it with POST /v1/groups/{group}/deployments.",
        group=group,
        deployment=deployment,
        deleted=deleted,
    )


def deployment_purging(group: str, deployment: str) -> problems.DeploymentPurgingError:
    """Return the refusal of what wants more of a deployment than its end."""
    path = path_of(group, deployment)
    return problems.DeploymentPurgingError(
        f"The deployment {spoken(group, deployment)} is being purged; nothing brings it back.",
        hint=f"GET {path} says what holds it up. If it does not end, repeat the purge: POST {path}/purge.",
        group=group,
        deployment=deployment,
    )


def build_not_found(group: str, deployment: str, build: str) -> problems.BuildNotFoundError:
    """Return the refusal of what names no build of this deployment."""
    return _has_no(problems.BuildNotFoundError, group, deployment, build=build)


def version_not_found(group: str, deployment: str, version: str) -> problems.VersionNotFoundError:
    """Return the refusal of what names no version of this deployment."""
    return _has_no(problems.VersionNotFoundError, group, deployment, version=version)


def release_not_found(group: str, deployment: str, number: int) -> problems.ReleaseNotFoundError:
    """Return the refusal of what names no release of this deployment."""
    return _has_no(problems.ReleaseNotFoundError, group, deployment, release=number)


def _has_no(kind: type[ProblemT], group: str, deployment: str, **named: str | int) -> ProblemT:
    """Say that a deployment has none of what is named, which is listed under its plural."""
    ((what, which),) = named.items()
    return kind(
        f"{spoken(group, deployment)} has no {what} {which}.",
        hint=f"List them with GET {path_of(group, deployment)}/{what}s.",
        group=group,
        deployment=deployment,
        **named,
    )


def exists(group: str, deployment: str, lane: Lane) -> problems.DeploymentExistsError:
    """Return the refusal to create what is there already."""
    return problems.DeploymentExistsError(
        f"The deployment {spoken(group, deployment)} exists already.",
        hint=f"Deploy to it with POST {path_of(group, deployment)}/deploy, or change the id.",
        group=group,
        deployment=deployment,
        etag=lane.last,
    )


def already_running(group: str, deployment: str) -> problems.AlreadyRunningError:
    """Return the refusal to start what is not stopped."""
    return problems.AlreadyRunningError(
        f"{spoken(group, deployment)} is not stopped.",
        hint=f"To run it anew, POST {path_of(group, deployment)}/redeploy.",
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


def secret_not_found(
    group: str, secret: str, *, version: int | None = None, newest: int | None = None
) -> problems.SecretNotFoundError:
    """Return the refusal of what names no secret of this group, or no version that is left."""
    what = f"secret {secret}" if version is None else f"version {version} of secret {secret}"
    return problems.SecretNotFoundError(
        f"Group {group} has no {what}.",
        hint=f"List them with GET /v1/groups/{group}/secrets, or set it with "
        f"PUT /v1/groups/{group}/secrets/{secret}.",
        group=group,
        secret=secret,
        version=version,
        newest=newest,
    )


def instance_type_not_found(
    name: str, known: Sequence[InstanceTypeConfigured]
) -> problems.InstanceTypeNotFoundError:
    """Return the refusal of what names no instance type."""
    names = [each.name for each in known]
    return problems.InstanceTypeNotFoundError(
        f"There is no instance type {name}.",
        hint=f"Use one of: {', '.join(names)}."
        if names
        else "There are none; give a size, or ask an admin to make one: PUT /v1/instance-types/…",
        instance_type=name,
        instance_types=names,
    )


def target_not_found(
    name: str,
    known: Sequence[TargetKnown],
    kind: type[problems.TargetNotFoundError] = problems.TargetNotFoundError,
) -> problems.TargetNotFoundError:
    """Return the refusal of what names no target."""
    names = [each.announced.target for each in known]
    return kind(
        f"There is no target {name}.",
        hint=f"Use one of: {', '.join(names)}." if names else "Start a monitor, which announces one.",
        target=name,
        targets=names,
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


def broken_together(error: ValidationError) -> problems.InvalidRequestError:
    """Return the refusal of a change whose result breaks the rules, although its parts do not."""
    found = [
        {
            "pointer": "#" + "".join(f"/{part}" for part in each["loc"]),
            "detail": str(each["ctx"]["error"]) if "error" in each.get("ctx", {}) else each["msg"],
            "code": each["type"],
        }
        for each in error.errors()
    ]
    return problems.InvalidRequestError(
        f"What would come of the change breaks the rules: {found[0]['detail']}.",
        hint="Remove what is no longer needed with null, or give less.",
        errors=found,
    )


def nothing_beside(weight: int) -> problems.InvalidRequestError:
    """Return the refusal of a part of an alias that points at nothing."""
    return problems.InvalidRequestError(
        f"Nothing serves the alias beside the new release, so it cannot have {weight} % of the requests.",
        hint="Leave out weight: the release gets all requests.",
        weight=weight,
        errors=[{"pointer": "#/weight", "detail": "must be 100 here", "code": "weight"}],
    )
