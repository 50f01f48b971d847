"""Conditions of a query with their arguments; knows no table."""

from typing import Self


class Filter:
    """Conditions joined by `and`; values travel as arguments, never in the text."""

    def __init__(self) -> None:
        self.arguments: list[object] = []
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> Self:
        """Add a condition with a `{}` for each value; it is left out where the first value is None."""
        if values[0] is not None:
            first = len(self.arguments) + 1
            self._conditions.append(condition.format(*(f"${first + place}" for place in range(len(values)))))
            self.arguments.extend(values)
        return self

    def __str__(self) -> str:
        return f" where {' and '.join(self._conditions)}" if self._conditions else ""
