"""Reads of what happened: releases, aliases, builds, versions, operations, and the log's messages."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from slipway_contracts.lifecycle import BuildState, OperationState, ReleaseState

from slipway_store.filters import Filter, owned
from slipway_store.records import (
    ALIAS_CHANGE,
    BUILD,
    EVENT,
    OPERATION,
    RELEASE_HISTORY,
    VERSION,
)
from slipway_store.rows import (
    AliasChangeRow,
    BuildRow,
    EventRow,
    OperationRow,
    ReleaseHistory,
    VersionRow,
)
from slipway_store.statements import Statements

_OPERATIONS: Final = OPERATION.select.replace(
    '"deadline_at"',
    'coalesce(deadline_at, (select of.deadline_at from release as of where of."group" = operation."group" '
    "and of.deployment = operation.deployment and of.number = operation.release)) as deadline_at",
)
_RELEASES: Final = RELEASE_HISTORY.select.replace(
    '"restorable"',
    "version is not null and not exists (select from version as of where of.id = release.version_id "
    "and (of.hidden or of.removed_at is not null)) as restorable",
)


@dataclass(frozen=True, kw_only=True)
class EventFilters:
    """Which messages are wanted; types are given by their begin, cut at dots.

    Attributes:
        group: of this group; None: of all, and of none.
        deployment: of this one.
        groups: of these groups; None: of all, and of none.
        public: types that are told whatever `groups` says; they belong to no group.
        types: of these types; empty: of all but those `only_by_name`.
    """

    group: str | None = None
    deployment: str | None = None
    groups: Collection[str] | None = None
    public: Collection[str] = ()
    types: Collection[str] = ()
    only_by_name: Collection[str] = ()


class HistoryReads(Statements):
    """Reads of what happened."""

    async def release(self, group: str, deployment: str, number: int) -> ReleaseHistory | None:
        """Return a release."""
        wanted = owned([group], deployment).add("number = {}", number)
        return await self._one(RELEASE_HISTORY, wanted, _RELEASES)

    async def releases(
        self,
        group: str,
        deployment: str,
        *,
        states: Collection[ReleaseState] | None = None,
        numbers: Collection[int] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[ReleaseHistory]:
        """Return releases, or those of these numbers, the newest first, with a number below `before`."""
        wanted = owned([group], deployment).in_states(states).add("number < {}", before)
        wanted.add("number = any({}::bigint[])", None if numbers is None else list(numbers))
        return await self._page(RELEASE_HISTORY, wanted, "number desc", limit, _RELEASES)

    async def alias_changes(
        self,
        group: str,
        deployment: str,
        *,
        alias: str | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[AliasChangeRow]:
        """Return where an alias pointed, or all of them, the newest first, with a sequence below `before`."""
        wanted = owned([group], deployment).add("alias = {}", alias).add("sequence < {}", before)
        return await self._page(ALIAS_CHANGE, wanted, "sequence desc", limit)

    async def build(self, build: str) -> BuildRow | None:
        """Return a build."""
        return await self._one(BUILD, Filter().add("id = {}", build))

    async def builds(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        states: Collection[BuildState] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[BuildRow]:
        """Return builds, the newest first, accepted below `before`."""
        wanted = owned(groups, deployment).in_states(states).add("accepted < {}", before)
        return await self._page(BUILD, wanted, "accepted desc", limit)

    async def version(self, group: str, deployment: str, label_or_id: str) -> VersionRow | None:
        """Return a version by its label, or else by its id; hidden and removed ones too."""
        wanted = owned([group], deployment).add("(label = {0} or id = {0})", label_or_id)
        found = await self._page(VERSION, wanted, "made", limit=2)
        return next((row for row in found if row.label == label_or_id), found[0] if found else None)

    async def versions(
        self,
        group: str,
        deployment: str,
        *,
        hidden: bool | None = None,
        ids: Collection[str] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[VersionRow]:
        """Return versions, the newest first, made below `before`; hidden ones, others, or of these ids."""
        wanted = owned([group], deployment).add("hidden = {}", hidden).add("made < {}", before)
        wanted.add("id = any({}::text[])", None if ids is None else list(ids))
        return await self._page(VERSION, wanted, "made desc", limit)

    async def operation(self, operation: str) -> OperationRow | None:
        """Return an operation; its deadline is its own, or else that of its release."""
        return await self._one(OPERATION, Filter().add("id = {}", operation), _OPERATIONS)

    async def operations(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        states: Collection[OperationState] | None = None,
        kinds: Collection[str] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[OperationRow]:
        """Return operations, the newest first, accepted below `before`; `kinds`: verbs of commands."""
        wanted = owned(groups, deployment).in_states(states).add("accepted < {}", before)
        wanted.add("kind = any({}::text[])", None if kinds is None else list(kinds))
        return await self._page(OPERATION, wanted, "accepted desc", limit, _OPERATIONS)

    async def events(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        types: Collection[str] | None = None,
        after: int = 0,
        limit: int,
    ) -> list[EventRow]:
        """Return messages of the log in its order, beyond sequence `after`."""
        wanted = owned(groups, deployment).add("sequence > {}", after)
        wanted.add("type = any({}::text[])", None if types is None else list(types))
        return await self._page(EVENT, wanted, "sequence", limit)

    async def events_for(self, filters: EventFilters, *, after: int = 0, limit: int) -> list[EventRow]:
        """Return what the event stream would send beyond sequence `after`, in the order of the log."""
        group, groups, types = filters.group, filters.groups, filters.types
        wanted = owned(None if group is None else [group], filters.deployment).add("sequence > {}", after)
        wanted.add(
            '("group" = any({}::text[]) or "group" is null and (type || \'.\') ^@ any({}::text[]))',
            None if groups is None else list(groups),
            _up_to_a_dot(filters.public),
        )
        wanted.add("(type || '.') ^@ any({}::text[])", _up_to_a_dot(types) or None)
        hidden = None if types else _up_to_a_dot(filters.only_by_name)
        wanted.add("not (type || '.') ^@ any({}::text[])", hidden)
        return await self._page(EVENT, wanted, "sequence", limit)


def _up_to_a_dot(types: Collection[str]) -> list[str]:
    return [f"{each}." for each in types]
