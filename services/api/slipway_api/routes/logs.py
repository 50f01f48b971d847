"""Log lines of builds and replicas, as lines of JSON or as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query
from slipway_contracts import subjects
from slipway_contracts.names import EndpointName, ReplicaId
from starlette.responses import Response

from slipway_api.refusing import problems, refusals
from slipway_api.routes.answers import read_responses
from slipway_api.routes.parameters import (
    LARGEST_RELEASE,
    Api,
    BuildPath,
    DeploymentPath,
    Ends,
    Reached,
    ReadableGroup,
    UtcTime,
)
from slipway_api.routes.part import make_router
from slipway_api.services import Services
from slipway_api.streams.log_reading import LineWish
from slipway_api.streams.streaming import EVENT_STREAM, NDJSON, ByteStream

router: Final = make_router("/v1/groups/{group}/deployments/{deployment}", tags=("logs",))
_DEFAULT_TAIL: Final = 1000
_LARGEST_TAIL: Final = 100_000
_LINES: Final[dict[str, Any]] = {
    "description": "One JSON object per line, a `ReplicaLine`; or, with `Accept: text/event-stream`, "
    "an event `line` each.",
    "content": {NDJSON: {"schema": {"type": "string"}}, EVENT_STREAM: {"schema": {"type": "string"}}},
}


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """Which lines a client wants, and how."""

    tail: int
    since: datetime | None
    follow: bool
    as_events: bool

    def wish(self, subject: str, **more: Any) -> LineWish:  # noqa: ANN401 - fields of LineWish
        """Return what is to be read of a subject."""
        return LineWish(subject=subject, tail=self.tail, since=self.since, follow=self.follow, **more)


async def _extent(
    *,
    tail: Annotated[
        int,
        Query(
            ge=0,
            le=_LARGEST_TAIL,
            description="Most lines of those that are there. More than 8 MiB of them are not sent: where "
            "earlier ones are left out for that, a first line of the stream `slipway` says so.",
        ),
    ] = _DEFAULT_TAIL,
    since: Annotated[UtcTime | None, Query(description="None that were read before, RFC 3339.")] = None,
    follow: Annotated[bool, Query(description="Go on with lines to come, until you leave.")] = False,
    accept: Annotated[str, Header()] = NDJSON,
) -> _Extent:
    return _Extent(tail=tail, since=since, follow=follow, as_events=EVENT_STREAM in accept)


Extent = Annotated[_Extent, Depends(_extent)]


@router.get(
    "/builds/{build}/log",
    dependencies=[Reached],
    response_class=Response,
    responses={200: _LINES, **read_responses(problems.BuildNotFoundError)},
    summary="Read the log of a build",
)
async def get_build_log(
    *,
    group: ReadableGroup,
    deployment: DeploymentPath,
    build: BuildPath,
    api: Api,
    extent: Extent,
    ends: Ends,
) -> Response:
    """Tells what the build wrote, and with `follow` what it writes."""
    row = await api.queries.rows.build(build)
    if row is None or (row.group, row.deployment) != (group, deployment):
        raise refusals.build_not_found(group, deployment, build)
    subject = subjects.build_log(group, deployment, build)
    return _answer(api, extent.wish(subject), extent, ends)


@router.get(
    "/logs",
    dependencies=[Reached],
    response_class=Response,
    responses={
        200: _LINES,
        **read_responses(problems.DeploymentNotFoundError, problems.ReleaseNotFoundError),
    },
    summary="Read the log of replicas",
)
async def get_deployment_logs(
    *,
    group: ReadableGroup,
    deployment: DeploymentPath,
    api: Api,
    replica: Annotated[
        ReplicaId | None,
        Query(
            description="Only of this replica, as `0-1`, or of all attempts in a slot, as `0`.",
            examples=["0-1"],
        ),
    ] = None,
    release: Annotated[
        int | None,
        Query(
            ge=1,
            le=LARGEST_RELEASE,
            description="Only of this release's replicas, those it took over too.",
        ),
    ] = None,
    endpoint: Annotated[EndpointName | None, Query(description="Only of this endpoint.")] = None,
    extent: Extent,
    ends: Ends,
) -> Response:
    """Tells what the replicas of all releases wrote, and with `follow` what they write."""
    if await api.queries.rows.deployment(group, deployment) is None:
        raise refusals.deployment_not_found(group, deployment, deleted=False)
    if release is not None and await api.queries.rows.release(group, deployment, release) is None:
        raise refusals.release_not_found(group, deployment, release)
    slot = replica if replica is not None and replica.isdecimal() else None
    subject = subjects.replica_log(group, deployment, "*", "*" if slot else replica or "*")
    return _answer(api, extent.wish(subject, endpoint=endpoint, release=release, slot=slot), extent, ends)


def _answer(api: Services, wish: LineWish, extent: _Extent, ends: Sequence[asyncio.Event]) -> Response:
    return ByteStream(
        partial(_chunks, api, wish, as_events=extent.as_events),
        media_type=EVENT_STREAM if extent.as_events else NDJSON,
        ends=ends,
    )


async def _chunks(api: Services, wish: LineWish, *, as_events: bool) -> AsyncGenerator[bytes]:
    form = b"event: line\ndata: %s\n\n" if as_events else b"%s\n"
    async with aclosing(api.log_reading.read(wish)) as batches:
        async for lines in batches:
            yield b"".join(form % line for line in lines)
