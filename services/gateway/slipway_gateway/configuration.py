"""From records of the log to the target of the writer, deployment by deployment.

What Envoy refused, or what this release cannot read, is held: that deployment keeps its last good routes, and
is told as held from that record on, so that nobody takes it for served. It holds up no other deployment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.subjects import desired, owner_of

from slipway_gateway.clusters import cluster
from slipway_gateway.known import Key, Known
from slipway_gateway.model import Section
from slipway_gateway.plan import section
from slipway_gateway.routes import route_list
from slipway_gateway.writer import ConfigurationRefusedError, Target

_log: Final = get_logger()


@dataclass(frozen=True)
class _Rendered:
    section: Section
    clusters: dict[str, str]
    route_list: str | None


class Configuration:
    """What the gateway wants of Envoy, kept up to date by records.

    Args:
        known: what was known at the last end.
    """

    def __init__(self, known: Known) -> None:
        self.known: Final = known
        self._wanted: dict[Key, _Rendered] = {}
        self._accepted: dict[Key, _Rendered] = {}
        self._changed: dict[Key, int] = {(each.group, each.deployment): 0 for each in known.deployments()}
        self._offered: dict[Key, int] = {}
        self._held: dict[Key, int] = {}

    @property
    def sections(self) -> Iterable[Section]:
        """What Envoy has confirmed, by deployment."""
        return [rendered.section for rendered in self._accepted.values()]

    def take(self, stored: Stored) -> bool:
        """Learn from a record; return whether a deployment may have changed."""
        key = owner_of(stored.subject)
        try:
            message = stored.message
        except (UnknownMessageError, MalformedEnvelopeError) as error:
            _log.error(
                "a record is not readable; its deployment keeps its routes",
                subject=stored.subject,
                problem=str(error),
            )
            if stored.subject == desired(*key):
                self._held.setdefault(key, stored.sequence)
            return False
        if not isinstance(message, Desired | ReplicaFact):
            return False
        if isinstance(message, Desired):
            self._held.pop(key, None)
        if self.known.take(message) is None:
            return False
        self._changed[key] = stored.sequence
        return True

    @property
    def changed(self) -> bool:
        """Whether anything was learnt since the last target."""
        return bool(self._changed)

    def target(self) -> Target:
        """Return everything wanted now; what is learnt from here on belongs to the next target."""
        for key in self._changed:
            self._render(key)
        self._offered |= self._changed
        self._changed = {}
        return _target(self._wanted.values())

    def accept(self) -> None:
        """Remember that Envoy has confirmed the last target."""
        self._accepted = dict(self._wanted)
        self._offered = {}

    def hold(self, refused: ConfigurationRefusedError) -> Target:
        """Return the target without the changes of the deployments that were refused."""
        names = set(refused.resources)
        for key, sequence in self._offered.items():
            wanted = self._wanted.get(key)
            if wanted is None or names.isdisjoint({wanted.section.prefix, *wanted.clusters}):
                continue
            self._held.setdefault(key, sequence)
            self._restore(key)
        return _target(self._wanted.values())

    @property
    def held(self) -> dict[str, int]:
        """The first record that is not served, of each deployment that keeps its last good routes."""
        return {"/".join(key): sequence for key, sequence in self._held.items()}

    def _render(self, key: Key) -> None:
        deployment = self.known.deployment(key)
        if deployment is None:
            self._wanted.pop(key, None)
            return
        found = section(deployment, self.known.ready(key))
        before = self._wanted.get(key)
        if before is None or before.section != found:
            self._wanted[key] = _Rendered(
                section=found,
                clusters={each.name: cluster(each) for each in found.clusters},
                route_list=route_list(found) if found.routes else None,
            )

    def _restore(self, key: Key) -> None:
        self._wanted.pop(key, None)
        if key in self._accepted:
            self._wanted[key] = self._accepted[key]


def _target(rendered: Iterable[_Rendered]) -> Target:
    every = list(rendered)
    return Target(
        clusters={name: text for each in every for name, text in each.clusters.items()},
        routes={each.section.prefix: each.route_list for each in every if each.route_list is not None},
    )
