"""Brings Envoy's configuration files to a target in steps that lose no request, each confirmed by Envoy.

Clusters come before the routes that name them and go after them. Nothing here knows deployments.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from slipway_chassis.errors import SlipwayError

from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError, Kind
from slipway_gateway.envoy_json import discovery, text, version_of
from slipway_gateway.files import GatewayFolder
from slipway_gateway.routes import route_configuration, route_lists

_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.01
_PATIENCE: Final = 0.5
_LONGEST_WAIT: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """Rendered clusters by name, and rendered routes by the prefix of their deployment."""

    clusters: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)

    def part(self, prefixes: Iterable[str]) -> "Target":
        """Return the routes of these prefixes and the clusters that they name."""
        routes = {prefix: self.routes[prefix] for prefix in prefixes if prefix in self.routes}
        naming = "".join(routes.values())
        clusters = {name: rendered for name, rendered in self.clusters.items() if text(name) in naming}
        return Target(clusters=clusters, routes=routes)


class ConfigurationRefusedError(SlipwayError):
    """Envoy refuses what was written, and serves by the last that it took; so do the files.

    Attributes:
        kind: clusters or routes.
        resources: names of the clusters, or prefixes of the deployments, that Envoy does not take.
        before: what Envoy served by when the change began.
    """

    def __init__(self, kind: Kind, resources: Iterable[str], before: Target) -> None:
        self.kind = kind
        self.resources = tuple(resources)
        self.before = before
        names = ", ".join(self.resources) or "all"
        super().__init__(f"Envoy refuses the {kind} of {names}; its own log says why")


class ConfigurationWriter:
    """Owns the clusters' and the routes' file.

    Args:
        folder: where the files are.
        admin: the Envoy that reads them.
    """

    def __init__(self, *, folder: GatewayFolder, admin: EnvoyAdmin) -> None:
        self._folder = folder
        self._admin = admin
        self._files: dict[Kind, Path] = {"clusters": folder.clusters, "routes": folder.routes}
        self._content: dict[Kind, bytes] = {}
        self._target = Target()
        self._envoy_up = True

    def load(self) -> None:
        """Take what is in the files as the present state; call once before `apply`.

        A file that is damaged, as after a loss of power, counts as empty: the next `apply` writes it anew.
        """
        contents = {kind: self._folder.read(file) or b"" for kind, file in self._files.items()}
        resources = {kind: _resources_in(content) for kind, content in contents.items()}
        self._content = {kind: contents[kind] if resources[kind] is not None else b"" for kind in contents}
        self._target = Target(
            clusters={each["name"]: text(each) for each in resources["clusters"] or ()},
            routes=_route_lists(resources["routes"] or []),
        )

    async def apply(self, target: Target) -> None:
        """Bring files and Envoy to the target; idempotent.

        Raises:
            EnvoyDownError: the files are written, but Envoy has not confirmed them; call again.
            ConfigurationRefusedError: what it names was left out; where it names clusters, so was all that is
                new.
        """
        self._envoy_up = True
        before = self._target
        together = {**before.clusters, **target.clusters}
        wrote = await self._step("clusters", _clusters_file(together), before, target)
        self._target = Target(clusters=together, routes=before.routes)
        wrote |= await self._step("routes", _routes_file(target.routes), before, target)
        wrote |= await self._step("clusters", _clusters_file(target.clusters), before, target)
        self._target = target
        if not wrote:
            await self._verify()
        if not self._envoy_up:
            raise EnvoyDownError("Envoy has not confirmed the configuration: it does not answer")

    async def _step(self, kind: Kind, content: bytes, before: Target, target: Target) -> bool:
        """Return whether there was anything to write."""
        previous = self._content[kind]
        if content == previous:
            return False
        self._folder.replace(self._files[kind], content)
        self._content[kind] = content
        if not self._envoy_up:
            return True
        try:
            accepted = await self._await_version(kind)
        except EnvoyDownError:
            # It reads the files when it starts; until then there is nobody to lose a request.
            self._envoy_up = False
            return True
        if not accepted:
            await self._put_back(kind, previous, before, target)
        return True

    async def _verify(self) -> None:
        for kind in self._files:
            if not await self._await_version(kind):
                raise ConfigurationRefusedError(kind, (), self._target)

    async def _await_version(self, kind: Kind) -> bool:
        """Return whether Envoy took the content; False when it refused it."""
        version = version_of(self._content[kind])
        started = time.monotonic()
        pause = _FIRST_PAUSE
        while time.monotonic() - started < _PATIENCE:
            if (await self._admin.versions())[kind] == version:
                return True
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return await self._ask_again(kind, version)

    async def _ask_again(self, kind: Kind, version: str) -> bool:
        """Write the same file once more: either it was missed, or a counter of refusals grows now."""
        refused = (await self._admin.refusals())[kind]
        self._folder.replace(self._files[kind], self._content[kind])
        started = time.monotonic()
        while time.monotonic() - started < _LONGEST_WAIT:
            if (await self._admin.versions())[kind] == version:
                return True
            if (await self._admin.refusals())[kind] != refused:
                return False
            await asyncio.sleep(_LONGEST_PAUSE)
        raise EnvoyDownError(f"Envoy answers, but took no notice of new {kind} within {_LONGEST_WAIT:g} s")

    async def _put_back(self, kind: Kind, previous: bytes, before: Target, target: Target) -> None:
        if kind == "routes":
            try:
                refused = await self._sift_routes(before, target)
            except EnvoyDownError:
                # What it starts from must not be what it refuses.
                self._rewrite(kind, _routes_file(before.routes))
                raise
        else:
            # Envoy takes the good ones of a refused set, each with the version in which it last changed.
            taken = await self._admin.cluster_versions()
            version = version_of(self._content[kind])
            changed = _changed(before.clusters, target.clusters)
            refused = [name for name in changed if taken.get(name) != version]
            self._rewrite(kind, previous)
        raise ConfigurationRefusedError(kind, refused, before)

    async def _sift_routes(self, before: Target, target: Target) -> list[str]:
        """Find out which of the new routes Envoy refuses, by halves; leave it with all others.

        Envoy refuses a set of routes as a whole and names none. Each trial keeps what was taken so far, so
        that no deployment loses its routes on the way.
        """
        taken = dict(before.routes)
        refused = []
        groups = _halves(_changed(before.routes, target.routes))
        while groups:
            group = groups.pop()
            trial = {**taken, **{prefix: target.routes[prefix] for prefix in group}}
            if await self._takes_routes(trial):
                taken = trial
            elif len(group) == 1:
                refused += group
            else:
                groups += _halves(group)
        self._rewrite("routes", _routes_file(taken))
        self._target = Target(clusters=self._target.clusters, routes=taken)
        return sorted(refused)

    async def _takes_routes(self, routes: Mapping[str, str]) -> bool:
        self._content["routes"] = _routes_file(routes)
        return await self._ask_again("routes", version_of(self._content["routes"]))

    def _rewrite(self, kind: Kind, content: bytes) -> None:
        if content and content != self._content[kind]:
            self._folder.replace(self._files[kind], content)
            self._content[kind] = content


def _halves(names: list[str]) -> list[list[str]]:
    middle = (len(names) + 1) // 2
    return [half for half in (names[:middle], names[middle:]) if half]


def _clusters_file(clusters: Mapping[str, str]) -> bytes:
    return discovery(clusters[name] for name in sorted(clusters))


def _routes_file(routes: Mapping[str, str]) -> bytes:
    return discovery([route_configuration(routes)])


def _route_lists(configurations: list[dict[str, Any]]) -> dict[str, str]:
    try:
        return {prefix: each for found in configurations for prefix, each in route_lists(found).items()}
    except (ValueError, KeyError, TypeError):
        return {}


def _resources_in(content: bytes) -> list[dict[str, Any]] | None:
    try:
        found: list[dict[str, Any]] = json.loads(content)["resources"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return sorted(name for name, rendered in after.items() if before.get(name) != rendered)
