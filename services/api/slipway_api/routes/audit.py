"""The audit: who did what from where, refused requests too, as a page or as lines of JSON for export."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, NamedTuple

from fastapi import Depends, Header, Query
from slipway_store.audit_reads import AuditRow, AuditWish
from starlette.responses import Response

from slipway_api.answers.audit_views import AuditEntry, audit_entry
from slipway_api.answers.views import Page
from slipway_api.bodies.requests import USER_PATTERN
from slipway_api.identity.access import ANY_GROUP, Principal, Role
from slipway_api.reading.paging import LARGEST_PAGE, page
from slipway_api.routes.answers import as_json, read_responses
from slipway_api.routes.parameters import (
    Api,
    Caller,
    DeploymentFilter,
    Ends,
    GroupFilter,
    Part,
    Reached,
    UtcTime,
)
from slipway_api.routes.part import make_router
from slipway_api.streams.streaming import JSONL, NDJSON, ByteStream

router: Final = make_router("/v1", tags=("audit",))
_LARGEST_SEQUENCE: Final = 2**63 - 1
_LINES: Final[dict[str, Any]] = {
    "description": "A page; or, with `Accept: application/x-ndjson` or `application/jsonl`, all that the "
    "filters leave, an `AuditEntry` per line. An answer that breaks off is not all: go on with `from`, the "
    "`sequence` of the last line, where the order is `oldest` and no time is asked for.",
    "content": {NDJSON: {"schema": {"type": "string"}}, JSONL: {"schema": {"type": "string"}}},
}
_Fetch = Callable[[int | None, int], Awaitable[Sequence[AuditRow]]]


class _Span(NamedTuple):
    since: datetime | None
    until: datetime | None


async def _span(
    since: Annotated[UtcTime | None, Query(description="Not before this time, RFC 3339.")] = None,
    until: Annotated[UtcTime | None, Query(description="Before this time, RFC 3339.")] = None,
) -> _Span:
    return _Span(since, until)


async def _wish(
    *,
    caller: Caller,
    span: Annotated[_Span, Depends(_span)],
    group: GroupFilter = None,
    deployment: DeploymentFilter = None,
    user: Annotated[
        str | None, Query(pattern=USER_PATTERN, description="Only what this user asked for.")
    ] = None,
    refused: Annotated[
        bool | None,
        Query(description="Only what was answered with an error, or only what the log has; default: both."),
    ] = None,
    after: Annotated[
        int | None,
        Query(
            alias="from",
            ge=0,
            le=_LARGEST_SEQUENCE,
            description="Only behind this sequence: what came since an export that had it.",
        ),
    ] = None,
    order: Annotated[
        Literal["newest", "oldest"],
        Query(
            description="What comes first: by the sequence, or by the time where `since` or `until` is given "
            "and `from` is not."
        ),
    ] = "newest",
) -> AuditWish:
    return AuditWish(
        groups=_administered(caller, group),
        deployment=deployment,
        user=user,
        refused=refused,
        since=span.since,
        until=span.until,
        after=after,
        oldest_first=order == "oldest",
    )


AuditFilters = Annotated[AuditWish, Depends(_wish)]


@router.get(
    "/audit",
    dependencies=[Reached],
    response_model=Page[AuditEntry],
    responses={200: _LINES, **read_responses()},
    summary="Read the audit",
)
async def list_audit(
    *,
    wish: AuditFilters,
    cut: Part,
    api: Api,
    ends: Ends,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """Tells every change that somebody asked for: who, from where, when, what came of it.

    For admins: of groups, about these; of the installation, about everything.
    """

    async def fetch(behind: int | None, limit: int) -> Sequence[AuditRow]:
        return await api.queries.rows.audit(wish, behind=behind, limit=limit)

    behind = cut.behind()
    for media_type in (NDJSON, JSONL):
        if media_type in accept:
            # The first rows are read before the answer begins: what fails then is a problem document.
            begin = await fetch(behind, LARGEST_PAGE)
            return ByteStream(partial(lines, fetch, begin), media_type=media_type, ends=ends, whole=True)
    return as_json(await page(partial(fetch, behind), cut, key=lambda row: (row.sequence,), view=audit_entry))


async def lines(fetch: _Fetch, rows: Sequence[AuditRow]) -> AsyncGenerator[bytes]:
    """Yield entries as lines of JSON, page by page; the next page is read when it is asked for."""
    while rows:
        yield b"".join(audit_entry(row).model_dump_json().encode() + b"\n" for row in rows)
        rows = await fetch(rows[-1].sequence, LARGEST_PAGE) if len(rows) == LARGEST_PAGE else ()


def _administered(caller: Principal, group: str | None) -> list[str] | None:
    """Return the groups whose audit the caller may read; None: all, and what belongs to none.

    Raises:
        RoleMissingError: there is none, or not the one asked for.
    """
    if group is not None:
        caller.require(Role.ADMIN, group)
        return [group]
    if caller.role_in(ANY_GROUP) is Role.ADMIN:
        return None
    groups = sorted(each for each in caller.groups or () if caller.role_in(each) is Role.ADMIN)
    if not groups:
        caller.require(Role.ADMIN, ANY_GROUP)
    return groups
