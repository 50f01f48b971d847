"""Events: the log as a page, or as a stream that goes on."""

import difflib
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from slipway_chassis.feed import is_wanted
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_store.rows import EventRow
from starlette.responses import Response

from slipway_api.answers.views import CloudEvent, Page
from slipway_api.identity.access import ANY_GROUP, Role
from slipway_api.reading.paging import page
from slipway_api.refusing import problems
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
from slipway_api.streams.event_stream import Format
from slipway_api.streams.interest import FOR_ADMINS, PermittedInterest
from slipway_api.streams.streaming import EVENT_STREAM, ByteStream

router: Final = APIRouter(prefix="/v1", tags=["events"])
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
    audits = bool(wanted) and any(is_wanted(each, wanted) for each in FOR_ADMINS)
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
            lambda limit: api.queries.rows.events(
                groups=None if interest.groups is None else sorted(interest.groups),
                deployment=interest.deployment,
                types=[name for name in MESSAGE_TYPES if is_wanted(name, interest.types)],
                after=after,
                limit=limit,
            ),
            cut,
            key=lambda row: (row.sequence,),
            view=_event,
        )
    )


def _types(given: list[str] | None) -> tuple[str, ...]:
    names = (name.strip() for part in given or () for name in part.split(","))
    wanted = tuple(name.removeprefix(TYPE_PREFIX).rstrip(".*") for name in names if name)
    for name in wanted:
        if not any(is_wanted(known, (name,)) for known in MESSAGE_TYPES):
            nearest = difflib.get_close_matches(name, MESSAGE_TYPES, n=1, cutoff=0.0)[0]
            raise problems.InvalidRequestError(
                f"There is no message type {name}; did you mean {nearest}?",
                hint="Give whole types or their begin up to a dot, as release or build.failed.",
                errors=[
                    {"pointer": "types", "detail": f"no type {name}", "code": "types", "nearest": nearest}
                ],
            )
    return wanted


def _event(row: EventRow) -> CloudEvent:
    return CloudEvent(
        id=row.id,
        type=TYPE_PREFIX + row.type,
        source=row.source,
        subject="/".join(part for part in (row.group, row.deployment) if part) or row.subject,
        time=row.time,
        sequence=str(row.sequence),
        causationid=row.causation_id,
        correlationid=row.correlation_id,
        traceparent=row.traceparent,
        data=row.body,
    )
