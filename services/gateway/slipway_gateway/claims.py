"""Which deployment answers at which name of its group. Pure.

The api lets no two deployments claim one name; where the log says so nevertheless, one of them has it, always
the same, and the other is told of in the log once.
"""

from collections.abc import Iterable
from typing import Final

from slipway_chassis.logs import get_logger

from slipway_gateway.known import Key

_log: Final = get_logger()


class Claims:
    """Names and who claims them: the one whose name it is before those that had it, then the lesser id."""

    def __init__(self) -> None:
        self._claimed: dict[Key, tuple[str, ...]] = {}
        self._claimants: dict[tuple[str, str], set[Key]] = {}
        self._told: set[tuple[str, str]] = set()

    def put(self, key: Key, names: tuple[str, ...]) -> frozenset[Key]:
        """Replace what a deployment claims, its present name first; return all whose names changed."""
        group = key[0]
        touched = {(group, name) for name in (*self._claimed.get(key, ()), *names)}
        before = {path: self._owner(path) for path in touched}
        self._replace(key, names)
        after = {path: self._owner(path) for path in touched}
        self._tell(touched)
        changed = {
            owner
            for path in touched
            if before[path] != after[path]
            for owner in (before[path], after[path])
            if owner is not None
        }
        return frozenset(changed)

    def names_of(self, key: Key) -> tuple[str, ...]:
        """Return the names at which a deployment answers, its present one first."""
        return tuple(name for name in self._claimed.get(key, ()) if self._owner((key[0], name)) == key)

    def _replace(self, key: Key, names: tuple[str, ...]) -> None:
        group = key[0]
        for name in self._claimed.pop(key, ()):
            claimants = self._claimants[group, name]
            claimants.discard(key)
            if not claimants:
                del self._claimants[group, name]
        if names:
            self._claimed[key] = names
        for name in names:
            self._claimants.setdefault((group, name), set()).add(key)

    def _owner(self, path: tuple[str, str]) -> Key | None:
        _, name = path
        claimants = self._claimants.get(path, ())
        return min(claimants, key=lambda each: (self._claimed[each][0] != name, each), default=None)

    def _tell(self, paths: Iterable[tuple[str, str]]) -> None:
        for path in paths:
            claimants = self._claimants.get(path, set())
            if len(claimants) <= 1:
                self._told.discard(path)
            elif path not in self._told:
                self._told.add(path)
                _log.error(
                    "several deployments claim one name; the first of them has it",
                    path="/" + "/".join(path),
                    deployments=[
                        "/".join(each) for each in sorted(claimants, key=lambda key: key != self._owner(path))
                    ],
                )
