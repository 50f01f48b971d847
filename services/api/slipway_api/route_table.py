"""The routes of the API by path, for requests that were refused before they got to one."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from fastapi.routing import APIRoute

UNROUTED: Final = "unrouted"
"""In the place of a route, where there is none."""


class Routed(NamedTuple):
    """A route's path, and what a request's names by it."""

    path: str
    names: Mapping[str, str]


class RouteTable:
    """Finds routes; slower than what leads requests to them, so of no use to those that get there.

    Args:
        routes: those of the API.
    """

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._routes = tuple(routes)

    def find(self, method: str, path: str) -> Routed:
        """Return the route of a request, or else one of its path with another method."""
        found = Routed(UNROUTED, {})
        for route in self._routes:
            if match := route.path_regex.match(path):
                found = Routed(route.path, match.groupdict())
                if method in (route.methods or ()):
                    break
        return found
