"""The list of deployments: what it may be filtered and sorted by, and how its pages join.

Pure: makes statements, runs nothing. What no index has in the order of the list is done in one of two ways:
what is rare is found first and sorted, what is frequent is come across while walking in order. Postgres' own
choice between these takes a word that it does not know for one in 200, and walks past a million rows to find
the only one; so the statement leaves it none.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from slipway_contracts.lifecycle import DeploymentState

from slipway_store.filters import Filter
from slipway_store.records import STATUS
from slipway_store.rows import DeploymentStatus
from slipway_store.words import pair_of, prefixes

SEARCHED: Final = "array_to_tsvector(string_to_array(words, ' '))"
"""As in the index: the planner compares the expressions."""

UNLISTED: Final = frozenset({DeploymentState.DELETED, DeploymentState.PURGED})

After = tuple[str, str] | tuple[datetime, str, str]
"""Where a page ended: (group, id) in the order by id, else (time, group, id)."""

_RARE: Final = 0.006
"""Largest part of all deployments that is found first; Postgres takes an unknown word for at most 0.005."""


class Sort(StrEnum):
    """Orders of the list; equal times are ordered by group and id."""

    ID = "id"
    CREATED = "created"
    CHANGED = "changed"


_SELECT: Final = STATUS.select.removesuffix(' from "deployment"')
_SELECT_JOINED: Final = _SELECT.replace('"group"', 'deployment."group"', 1)
_WALKED: Final = "({}) is true"
"""A condition that no index is asked for: it is looked at on the way."""
_COLUMNS: Final = {Sort.CREATED: "created_at", Sort.CHANGED: "changed_at"}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What of the deployments is wanted; None: whatever.

    Attributes:
        groups: of these groups.
        states: in these states; without any, what is neither deleted nor purged.
        target: on this target.
        version: that serve, or are about to serve, the version of this label.
        metadata: that have all these.
        search: that have, for each word, one in id, name or description that begins with it.
        created_by: that this user created.
        sort: in this order.
        descending: in its reverse.
    """

    groups: Sequence[str] | None = None
    states: Collection[DeploymentState] | None = None
    target: str | None = None
    version: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    search: str | None = None
    created_by: str | None = None
    sort: Sort = Sort.ID
    descending: bool = False

    @property
    def words(self) -> list[str]:
        """The words searched for, as queries."""
        return prefixes(self.search or "")

    def page(
        self, after: After | None, limit: int, frequencies: Mapping[str, float]
    ) -> tuple[str, list[object]]:
        """Return the statement of the page behind `after`, and its arguments.

        `frequencies` has the part of all deployments that each word is found in, as far as that is known.
        """
        rare = self._rare(frequencies)
        wanted = Filter()
        if rare:
            text = self._found_first(wanted, rare, after)
        elif self._has_one_pair_only:
            text = self._along_pairs(wanted, after)
        else:
            self._behind(self._add_all(wanted), after, self._keys)
            text = f"{STATUS.select}{wanted} order by {self._ordered(self._keys)}"
        wanted.arguments.append(limit)
        return f"{text} limit ${len(wanted.arguments)}::bigint", wanted.arguments

    def _found_first(self, wanted: Filter, rare: Sequence[str], after: After | None) -> str:
        """Return the statement that finds by rare words; `offset 0` keeps the order out of that choice."""
        wanted.add(f"{SEARCHED} @@ {{}}::tsquery", " & ".join(rare))
        self._add_all(wanted, without=rare)
        behind = self._behind(Filter(wanted.arguments), after, self._keys)
        return (
            f"{_SELECT} from (select * from deployment{wanted} offset 0) as deployment"  # noqa: S608
            f"{behind} order by {self._ordered(self._keys)}"
        )

    @property
    def _has_one_pair_only(self) -> bool:
        others = (self.states, self.target, self.version, self.created_by)
        return self.sort is Sort.ID and len(self.metadata) == 1 and all(each is None for each in others)

    def _along_pairs(self, wanted: Filter, after: After | None) -> str:
        """Return the statement that walks along those that have a pair of metadata, in the order by id."""
        ((key, value),) = self.metadata.items()
        pairs = Filter(wanted.arguments).add("pair = {}", pair_of(key, value)).in_groups(self.groups)
        keys = tuple("deployment" if name == "id" else name for name in self._keys)
        self._behind(pairs, after, keys)
        self._add_all(wanted)
        order = self._ordered(tuple(f"pair.{name}" for name in keys))
        return (
            f'{_SELECT_JOINED} from (select "group", deployment from deployment_metadata{pairs}) as pair '  # noqa: S608
            f"join lateral (select * from deployment{wanted} "
            'and "group" = pair."group" and id = pair.deployment) as deployment on true '
            f"order by {order}"
        )

    def _add_all(self, wanted: Filter, without: Collection[str] = ()) -> Filter:
        wanted.in_groups(self.groups).in_states(self.states)
        if self.states is None or not UNLISTED.intersection(self.states):
            wanted.add("listed")
        wanted.add("target = {}", self.target).add("version_label = {}", self.version)
        wanted.add("created_by = {}", self.created_by)
        has = "metadata @> {}::jsonb"
        if self.metadata:
            walked = _WALKED.format(has) if self._has_one_pair_only else has
            wanted.add(walked, json.dumps(dict(self.metadata)))
        rest = [word for word in self.words if word not in without]
        return wanted.add(_WALKED.format(f"{SEARCHED} @@ {{}}::tsquery"), " & ".join(rest) or None)

    def _rare(self, frequencies: Mapping[str, float]) -> list[str]:
        """Return the fewest words that together are rare; none where all of them are frequent."""
        part = 1.0
        found: list[str] = []
        for word in sorted(self.words, key=lambda word: frequencies.get(word, 0.0)):
            found.append(word)
            part *= frequencies.get(word, 0.0)
            if part <= _RARE:
                return found
        return []

    @property
    def _keys(self) -> tuple[str, ...]:
        # In one group its name orders nothing, and no index of a group's deployments has it twice.
        group = () if self.groups is not None and len(self.groups) == 1 else ('"group"',)
        return (*((_COLUMNS[self.sort],) if self.sort in _COLUMNS else ()), *group, "id")

    def _ordered(self, keys: Sequence[str]) -> str:
        return ", ".join(f"{key} desc" if self.descending else key for key in keys)

    def _behind(self, wanted: Filter, after: After | None, keys: Sequence[str]) -> Filter:
        if after is None:
            return wanted
        *at, group, identifier = after
        values = (*at, *((group,) if '"group"' in keys else ()), identifier)
        places = ", ".join("{}" for _ in values)
        comparison = "<" if self.descending else ">"
        return wanted.add(f"({', '.join(keys)}) {comparison} ({places})", *values)


def after(row: DeploymentStatus, sort: Sort) -> After:
    """Return where a page in this order ends that has this row last."""
    match sort:
        case Sort.ID:
            return row.group, row.id
        case Sort.CREATED:
            return row.created_at, row.group, row.id
        case Sort.CHANGED:
            return row.changed_at, row.group, row.id
