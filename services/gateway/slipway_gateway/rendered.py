"""One deployment as Envoy gets it: what is to be served, and the texts of clusters and routes that say so."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from slipway_gateway.clusters import cluster
from slipway_gateway.known_deployment import KnownDeployment
from slipway_gateway.model import Place, Section
from slipway_gateway.routes import route_list


@dataclass(frozen=True)
class Rendered:
    """What Envoy should have, or has, of a deployment.

    Attributes:
        deployment: of which record it was made; None where it was found in Envoy's files.
        section: what the texts say.
        clusters: text by name.
        routes: text by prefix.
    """

    deployment: KnownDeployment | None = None
    section: Section = field(default_factory=Section)
    clusters: dict[str, str] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """The names under which Envoy may refuse a part of it."""
        return {*self.clusters, *self.routes}

    def serving(self, deployment: KnownDeployment, section: Section) -> Self:
        """Return it with this section; the texts are made only where it is another."""
        if self.deployment is not None and self.section == section:
            return replace(self, deployment=deployment)
        return replace(
            self,
            deployment=deployment,
            section=section,
            clusters={each.name: cluster(each) for each in section.clusters},
            routes=_route_lists(section.places),
        )

    def closed(self, places: tuple[Place, ...]) -> Self:
        """Return it with nothing but these places; requests on their way keep their clusters."""
        return replace(self, section=replace(self.section, places=places), routes=_route_lists(places))


def _route_lists(places: Iterable[Place]) -> dict[str, str]:
    return {each.prefix: route_list(each) for each in places if each.routes}
