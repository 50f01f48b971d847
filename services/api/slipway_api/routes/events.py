"""Events: the log as a page, or as a stream that goes on."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query
from slipway_chassis.feed import ONLY_BY_NAME, is_wanted
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_store.history_reads import EventFilters
from starlette.responses import Response

from slipway_api.answers.cloud_events import CloudEvent, cloud_event
from slipway_api.answers.views import Page
from slipway_api.identity.access import ANY_GROUP, Role
from slipway_api.reading.paging import page
from slipway_api.refusing import problems
from slipway_api.refusing.nearest import did_you_mean, nearest
from slipway_api.routes.answers import as_json, read_responses
from slipway_api.routes.parameters import (
    Api,
    Caller,
    DeploymentFilter,
    Ends,
    GroupFilter,
    Part,
    Reached,
    visible,
)
from slipway_api.routes.part import make_router
from slipway_api.streams.event_stream import Format
from slipway_api.streams.interest import FOR_ADMINS, PUBLIC, PermittedInterest
from slipway_api.streams.streaming import EVENT_STREAM, ByteStream

router: Final = make_router("/v1", tags=("events",))
_NOUNS: Final = sorted({name.partition(".")[0] for name in MESSAGE_TYPES})
_LARGEST_SEQUENCE: Final = 2**63 - 1
_STREAM: Final[dict[str, Any]] = {
    "description": "A page; or, with `Accept: text/event-stream`, a stream.",
    "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
}


async def _interest(
    *,
    caller: Caller,
    group: GroupFilter = None,
    deployment: DeploymentFilter = None,
    types: Annotated[
        list[str] | None,
        Query(
            description="Types or the begin of types, cut at dots; several by comma. "
            "Default: all but `desired.v1`, `request.refused.v1`, `webhook.configured.v1` and the tests of "
            "webhooks, which come only when asked for; all but the first only to admins.",
            examples=[["release,build.failed"]],
        ),
    ] = None,
) -> PermittedInterest:
    groups, wanted = visible(caller, group), _types(types)
    audits = any(is_wanted(each, wanted) for each in FOR_ADMINS if wanted)
    audits = audits or any(is_wanted(name, FOR_ADMINS) for name in wanted)
    if audits:
        caller.require(Role.ADMIN, group or ANY_GROUP)
    return PermittedInterest(
        groups=None if groups is None else frozenset(groups),
        group=group,
        deployment=deployment,
        types=wanted,
        audits=audits,
    )


async def _begin(
    *,
    behind: Annotated[
        int | None,
        Query(
            alias="from",
            ge=0,
            le=_LARGEST_SEQUENCE,
            description="Only behind this sequence; 0: from the beginning. "
            "Default: a page begins at the beginning, a stream at the present.",
        ),
    ] = None,
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            le=_LARGEST_SEQUENCE,
            description="As `from`, and stronger; browsers send it by themselves.",
        ),
    ] = None,
) -> int | None:
    return behind if last_event_id is None else last_event_id


async def _format(
    *,
    wanted: Annotated[
        Format,
        Query(
            alias="format",
            description="Of a stream: the messages as they are, or what they mean in CDEvents.",
        ),
    ] = Format.CLOUDEVENTS,
    accept: Annotated[str, Header()] = "application/json",
) -> Format | None:
    """Return the format of the stream that is asked for; None: a page is."""
    if EVENT_STREAM in accept:
        return wanted
    if wanted is not Format.CLOUDEVENTS:
        raise problems.InvalidRequestError(
            f"Only a stream can have the format {wanted}, and a page was asked for.",
            hint=f"Send Accept: {EVENT_STREAM}, or leave out format.",
            errors=[{"pointer": "format", "detail": "of a stream only", "code": "format"}],
        )
    return None


Wanted = Annotated[PermittedInterest, Depends(_interest)]
Begin = Annotated[int | None, Depends(_begin)]
StreamFormat = Annotated[Format | None, Depends(_format)]


@router.get(
    "/events",
    dependencies=[Reached],
    response_model=Page[CloudEvent],
    responses={200: _STREAM, **read_responses()},
    summary="Read or follow events",
)
async def list_events(
    *,
    interest: Wanted,
    begin: Begin,
    stream: StreamFormat,
    cut: Part,
    api: Api,
    ends: Ends,
) -> Response:
    """Tells what happened, in the order of the log: commands, decisions, observations.

    A stream has `id:` the sequence, `event:` the type, `data:` the structured CloudEvent; a comment comes
    in silence. Where the beginning is no longer kept, an event `gap` says from where to where.
    `format=cdevents` tells builds, versions and what aliases serve in the vocabulary of CDEvents instead.
    """
    if stream is not None:
        chunks = partial(api.event_streams.events, interest, after=begin, format_=stream)
        return ByteStream(chunks, media_type=EVENT_STREAM, ends=ends)
    after = cut.behind() or begin or 0
    return as_json(
        await page(
            lambda limit: api.queries.rows.events_for(_filters(interest), after=after, limit=limit),
            cut,
            key=lambda row: (row.sequence,),
            view=cloud_event,
        )
    )


def _types(given: list[str] | None) -> tuple[str, ...]:
    names = (name.strip() for part in given or () for name in part.split(","))
    wanted = tuple(name.removeprefix(TYPE_PREFIX).rstrip(".*") for name in names if name)
    for name in wanted:
        if not any(is_wanted(known, (name,)) for known in MESSAGE_TYPES):
            meant = nearest(name, MESSAGE_TYPES if "." in name else _NOUNS)
            error = {"pointer": "types", "detail": f"no type {name}", "code": "types"}
            raise problems.InvalidRequestError(
                f"There is no message type {name}{did_you_mean(meant) or '.'}",
                hint="Give whole types or their begin up to a dot, as release or build.failed.",
                errors=[error | ({"nearest": meant} if meant else {})],
            )
    return wanted


def _filters(interest: PermittedInterest) -> EventFilters:
    return EventFilters(
        group=interest.group,
        deployment=interest.deployment,
        groups=interest.groups,
        public=PUBLIC,
        types=interest.types,
        only_by_name=ONLY_BY_NAME,
    )
