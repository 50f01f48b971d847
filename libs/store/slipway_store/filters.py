"""Conditions of a query with their arguments; knows no table but that most have an owner and a state."""

from collections.abc import Collection, Sequence
from typing import Self


class Filter:
    """Conditions joined by `and`; values travel as arguments, never in the text."""

    def __init__(self, arguments: list[object] | None = None) -> None:
        """Begin without a condition; filters of one statement share its arguments."""
        self.arguments: list[object] = [] if arguments is None else arguments
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> Self:
        """Add a condition with a `{}` for each value; it is left out where the first value is None."""
        if values and values[0] is None:
            return self
        first = len(self.arguments) + 1
        self._conditions.append(condition.format(*(f"${first + place}" for place in range(len(values)))))
        self.arguments.extend(values)
        return self

    def in_groups(self, groups: Sequence[str] | None) -> Self:
        """Keep what belongs to one of these groups; None: everything."""
        if groups is not None and len(groups) == 1:
            # Equality, not a list of one: an index that begins with the group then gives the rest in order.
            return self.add('"group" = {}', groups[0])
        return self.add('"group" = any({}::text[])', None if groups is None else list(groups))

    def in_states(self, states: Collection[str] | None) -> Self:
        """Keep what is in one of these states; None: everything."""
        if states is not None and len(states) == 1:
            return self.add("state = {}", next(iter(states)))
        return self.add("state = any({}::text[])", None if states is None else list(states))

    def __str__(self) -> str:
        return f" where {' and '.join(self._conditions)}" if self._conditions else ""


def owned(groups: Sequence[str] | None, deployment: str | None = None) -> Filter:
    """Keep what belongs to these groups, and to this deployment of them."""
    return Filter().add("deployment = {}", deployment).in_groups(groups)
