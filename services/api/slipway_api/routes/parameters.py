"""What routes take from a request: who asks, in which group, under which conditions, for which page."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime
from slipway_chassis.telemetry import current_traceparent
from slipway_contracts.names import DeploymentId, Digest, GroupName, Label, OperationId

from slipway_api.identity.access import ANY_GROUP, Principal, Role
from slipway_api.reading.moments import in_utc
from slipway_api.reading.paging import DEFAULT_PAGE_SIZE, LARGEST_PAGE, Cut
from slipway_api.refusing import problems
from slipway_api.services import Services
from slipway_api.submitting.idempotency import Ask, command_id, request_digest

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", re.IGNORECASE)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _caller(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


Api = Annotated[Services, Depends(_services)]
Caller = Annotated[Principal, Depends(_caller)]


async def _ends(caller: Caller, services: Api) -> Sequence[asyncio.Event]:
    return services.stopping, caller.outdated


Ends = Annotated[Sequence[asyncio.Event], Depends(_ends)]
_GroupPath = Annotated[GroupName, Path(description="Group that owns the deployment.", examples=["default"])]


def _known(group: str, services: Services) -> str:
    if services.directory.has_group(group):
        return group
    raise problems.GroupNotFoundError(
        f"There is no group {group}.", hint="List yours with GET /v1/groups.", group=group
    )


async def _readable(group: _GroupPath, caller: Caller, services: Api) -> str:
    caller.require(Role.VIEWER, group)
    return _known(group, services)


async def _writable(group: _GroupPath, caller: Caller, services: Api) -> str:
    caller.require(Role.DEPLOYER, group)
    return _known(group, services)


async def _administrable(group: _GroupPath, caller: Caller, services: Api) -> str:
    caller.require(Role.ADMIN, group)
    return _known(group, services)


async def _admin(caller: Caller) -> Principal:
    caller.require(Role.ADMIN, ANY_GROUP)
    return caller


ReadableGroup = Annotated[str, Depends(_readable)]
WritableGroup = Annotated[str, Depends(_writable)]
AdminGroup = Annotated[str, Depends(_administrable)]
Admin = Annotated[Principal, Depends(_admin)]


async def _named(
    group: _GroupPath,
    deployment: Annotated[
        DeploymentId,
        Path(description="Id of the deployment, or the name that it has now.", examples=["digits"]),
    ],
    services: Api,
    request: Request,
) -> str:
    found = await services.id_of(group, deployment)
    request.state.deployment = found
    request.state.names[group, found] = deployment
    return found


DeploymentPath = Annotated[str, Depends(_named)]
"""The id of the deployment, whichever of both was given."""


async def _asked_name(request: Request) -> str:
    return str(request.path_params["deployment"])


AskedName = Annotated[str, Depends(_asked_name)]
"""The id or name of the deployment as it was given."""
OperationPath = Annotated[OperationId, Path(description="Id of the operation.")]
BuildPath = Annotated[OperationId, Path(description="Id of the build.")]
KeyPath = Annotated[OperationId, Path(description="Id of the key.")]
DigestPath = Annotated[Digest, Path(description="SHA-256 of the bytes.")]
LARGEST_RELEASE: Final = 2**31 - 1
ReleasePath = Annotated[int, Path(ge=1, le=LARGEST_RELEASE, description="Number of the release.")]
VersionPath = Annotated[Label, Path(description="Label or id of the version.")]
GroupFilter = Annotated[GroupName | None, Query(description="Only this group; default: all you may see.")]


async def _filtered(
    services: Api,
    group: GroupFilter = None,
    deployment: Annotated[
        DeploymentId | None,
        Query(description="Only this deployment, by its id; where `group` is given, by its name too."),
    ] = None,
) -> str | None:
    if group is None or deployment is None:
        return deployment
    return await services.id_of(group, deployment)


DeploymentFilter = Annotated[str | None, Depends(_filtered)]


UtcTime = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A time in UTC."""
AtLeast = Annotated[
    int | None,
    Query(ge=0, le=2**63 - 1, description="Answer from this sequence of the log on; waits briefly for it."),
]


async def _cut(
    page_size: Annotated[
        int, Query(ge=1, le=LARGEST_PAGE, description="Most items of the page.")
    ] = DEFAULT_PAGE_SIZE,
    page_token: Annotated[
        str | None, Query(max_length=1024, description="`next_page_token` of the page before.")
    ] = None,
) -> Cut:
    return Cut(size=page_size, token=page_token)


Part = Annotated[Cut, Depends(_cut)]


async def _reached(services: Api, at_least: AtLeast = None) -> None:
    await services.queries.reach(at_least)


Reached = Depends(_reached)


def visible(caller: Principal, group: str | None) -> list[str] | None:
    """Return the groups whose things the caller may list; None: all.

    Raises:
        RoleMissingError: the group asked for is not among them.
    """
    if group is not None:
        caller.require(Role.VIEWER, group)
        return [group]
    return None if caller.groups is None else sorted(caller.groups)


async def _asking(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="A repeat with the same key and body is the same operation, never a second one.",
        ),
    ] = None,
    if_match: Annotated[
        str | None, Header(description="ETag of the deployment: do it only if no other command came since.")
    ] = None,
    dry_run: Annotated[bool, Query(description="Check everything and answer the plan; do nothing.")] = False,
) -> Ask:
    route = f"{request.method} {request.url.path}"
    return Ask(
        caller=caller,
        id=command_id(caller, route, idempotency_key),
        digest=request_digest(_wish(route, request), _document(await request.body())),
        repeatable=idempotency_key is not None,
        if_match=sequence_of(if_match),
        dry_run=dry_run,
        traceparent=current_traceparent(),
    )


def _wish(route: str, request: Request) -> str:
    """Return the route with what its query asks for: a level is as much of the request as a body."""
    asked = sorted(each for each in request.query_params.multi_items() if each[0] != "dry_run")
    return f"{route}?{urlencode(asked)}" if asked else route


async def _in_earnest(dry_run: Annotated[bool, Query(include_in_schema=False)] = False) -> None:
    if dry_run:
        raise problems.InvalidRequestError(
            "This request has no dry run, so nothing was done.",
            hint="Leave out dry_run to do it; commands of deployments and builds have a dry run.",
            errors=[{"pointer": "dry_run", "detail": "is not known here", "code": "dry_run"}],
        )


InEarnest = Depends(_in_earnest)
"""Of a mutation that cannot only be tried: what shall not be done must not be done silently."""


def _document(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the body as JSON; a route that reads no body does not mind what it is."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body.hex()


Asking = Annotated[Ask, Depends(_asking)]


class Change(NamedTuple):
    """What every command of a deployment is called with first: what is asked, and of which deployment."""

    ask: Ask
    group: str
    deployment: str


async def _change(group: WritableGroup, deployment: DeploymentPath, ask: Asking) -> Change:
    return Change(ask=ask, group=group, deployment=deployment)


Changing = Annotated[Change, Depends(_change)]


def sequence_of(if_match: str | None, what: str = "a deployment") -> int | None:
    """Return the sequence that an ETag stands for; None: whatever there is.

    Raises:
        InvalidRequestError: it is no ETag.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().removeprefix("W/").strip('"')
    if tag.isascii() and tag.isdigit() and len(tag) < len(str(2**63)):
        return int(tag)
    raise problems.InvalidRequestError(
        f"If-Match is no ETag of {what}.",
        hint='Give the ETag of the answer to a GET as it is, as "42".',
        errors=[{"pointer": "If-Match", "detail": "must be one quoted number", "code": "etag"}],
    )


async def _patience(
    services: Api,
    prefer: Annotated[
        str | None, Header(description="`wait=N`: wait up to N seconds for the end.", examples=["wait=30"])
    ] = None,
) -> timedelta | None:
    asked = _WAIT.search(prefer or "")
    return None if asked is None else min(timedelta(seconds=int(asked[1])), services.settings.longest_wait)


Patience = Annotated[timedelta | None, Depends(_patience)]
