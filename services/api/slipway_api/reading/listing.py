"""The list of deployments as a client asks for it: filters, order, pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Query
from slipway_contracts.lifecycle import DeploymentState
from slipway_contracts.names import Label, TargetName
from slipway_store.listing import After, Sort
from slipway_store.listing import after as after_row
from slipway_store.queries import Reads
from slipway_store.rows import DeploymentStatus

from slipway_api.answers.details import summary
from slipway_api.answers.views import Deployment, Page
from slipway_api.identity.access import Principal
from slipway_api.reading.moments import in_utc
from slipway_api.reading.paging import Cut, decode, page
from slipway_api.refusing import problems

Order = Literal["id", "-id", "created", "-created", "changed", "-changed"]
_HINT: Final = "Write metadata=NAME=VALUE, once for each entry that it must have."
_MOST_ENTRIES: Final = 10


@dataclass(frozen=True, kw_only=True)
class ListingFilters:
    """What of the deployments a client wants to see, and in which order."""

    states: list[DeploymentState] | None
    target: str | None
    version: str | None
    metadata: dict[str, str]
    search: str | None
    mine: bool
    sort: Sort
    descending: bool


async def listing_filters(
    *,
    state: Annotated[
        list[DeploymentState] | None,
        Query(description="Only these states; default: all but DELETED and PURGED."),
    ] = None,
    target: Annotated[TargetName | None, Query(description="Only on this target.")] = None,
    version: Annotated[
        Label | None, Query(description="Only those that serve, or are about to, the version of this label.")
    ] = None,
    metadata: Annotated[
        list[str] | None, Query(description="`NAME=VALUE`: only those that have it; may be repeated.")
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, description="Beginnings of words of id, name and description; all must match."),
    ] = None,
    mine: Annotated[bool, Query(description="Only those that you created.")] = False,
    sort: Annotated[Order, Query(description="Order; `-` reverses it.")] = "id",
) -> ListingFilters:
    """Read the filters of a request."""
    return ListingFilters(
        states=state,
        target=target,
        version=version,
        metadata=_entries(metadata or []),
        search=q.replace("\x00", " ") if q and q.strip() else None,
        mine=mine,
        sort=Sort(sort.removeprefix("-")),
        descending=sort.startswith("-"),
    )


def _entries(given: Sequence[str]) -> dict[str, str]:
    entries = [each.partition("=") for each in given]
    if len(entries) > _MOST_ENTRIES or any(
        not equals or not name or "\x00" in name + value for name, equals, value in entries
    ):
        raise problems.InvalidRequestError(
            "The filter metadata is not understood.",
            hint=_HINT,
            errors=[{"pointer": "metadata", "detail": "must be NAME=VALUE", "code": "metadata"}],
        )
    return {name: value for name, _, value in entries}


async def deployments(
    reads: Reads, filters: ListingFilters, cut: Cut, *, caller: Principal, groups: Sequence[str] | None
) -> Page[Deployment]:
    """Return the page of the list."""
    after = _after(filters.sort, cut.token)
    return await page(
        lambda limit: reads.deployments(
            groups=groups,
            states=filters.states,
            target=filters.target,
            version=filters.version,
            metadata=filters.metadata,
            search=filters.search,
            created_by=caller.user if filters.mine else None,
            sort=filters.sort,
            descending=filters.descending,
            after=after,
            limit=limit,
        ),
        cut,
        key=lambda row: _key(row, filters.sort),
        view=summary,
    )


def _key(row: DeploymentStatus, sort: Sort) -> Sequence[str]:
    return [part.isoformat() if isinstance(part, datetime) else part for part in after_row(row, sort)]


def _after(sort: Sort, token: str | None) -> After | None:
    if sort is Sort.ID:
        key = decode(token, str, str)
        return (key[0], key[1]) if key else None
    key = decode(token, str, str, str)
    if key is None:
        return None
    try:
        return in_utc(datetime.fromisoformat(key[0])), key[1], key[2]
    except ValueError:
        raise problems.InvalidRequestError(
            "The page_token did not come from this list.",
            hint="Give the next_page_token of the page before, with the same filters.",
            errors=[{"pointer": "page_token", "detail": "not a token of this list", "code": "page_token"}],
        ) from None
