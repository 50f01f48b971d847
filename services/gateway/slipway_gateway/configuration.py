"""From records of the log to the target of the writer, deployment by deployment.

What Envoy refused, or what this release cannot read, is held: that deployment is served by its last good
record, and is told as held from the other one on, so that nobody takes that for served. It holds up no other
deployment. Where other access was asked for than that record has, it is closed instead: what is held must not
open more than its owner wants.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.access import AccessMode
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.subjects import desired, owner_of

from slipway_gateway.claims import Claims
from slipway_gateway.clusters import cluster
from slipway_gateway.known import Key, Known
from slipway_gateway.known_deployment import KnownDeployment
from slipway_gateway.model import Place, Section
from slipway_gateway.plan import closed, guard_at, section
from slipway_gateway.routes import is_guarded_by, route_list
from slipway_gateway.writer import ConfigurationRefusedError, Target

_log: Final = get_logger()


@dataclass(frozen=True)
class _Rendered:
    deployment: KnownDeployment | None = None
    section: Section = field(default_factory=Section)
    clusters: dict[str, str] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return {*self.clusters, *self.routes}


class Configuration:
    """What the gateway wants of Envoy, kept up to date by records and by the clock that ends names and keys.

    Args:
        known: what was known at the last end.
        checks_keys: whether there is a key set by which an endpoint's keys can be checked.
        clock: tells the time.
    """

    def __init__(
        self, known: Known, *, checks_keys: bool = False, clock: Callable[[], datetime] = now
    ) -> None:
        self.known: Final = known
        self._checks_keys = checks_keys
        self._clock = clock
        self._claims = Claims()
        self._ends: dict[Key, datetime] = {}
        self._wanted: dict[Key, _Rendered] = {}
        self._accepted: dict[Key, _Rendered] = {}
        self._changed: dict[Key, int] = {(each.group, each.deployment): 0 for each in known.deployments()}
        self._offered: dict[Key, int] = {}
        self._unreadable: dict[Key, int] = {}
        self._refused: dict[Key, int] = {}
        self._by_last_good: set[Key] = set()
        self._closed: set[Key] = set()
        self._told_anew: set[Key] = set()

    @property
    def sections(self) -> Iterable[Section]:
        """What Envoy has confirmed, by deployment."""
        return [rendered.section for rendered in self._accepted.values()]

    def clusters_of(self, key: Key) -> frozenset[str]:
        """Return the names of a deployment's clusters that Envoy has confirmed."""
        rendered = self._accepted.get(key)
        return frozenset(each.name for each in rendered.section.clusters) if rendered else frozenset()

    def take(self, stored: Stored) -> bool:
        """Learn from a record; return whether a deployment may have changed."""
        key = owner_of(stored.subject)
        message = stored.readable
        if message is None and stored.subject == desired(*key):
            # Its routes stay as they are.
            self._unreadable.setdefault(key, stored.sequence)
        if not isinstance(message, Desired | ReplicaFact):
            return False
        if isinstance(message, Desired):
            self._unreadable.pop(key, None)
        again = isinstance(message, Desired) and stored.sequence > self._refused.get(key, stored.sequence)
        if self.known.take(message) is None and not again:
            return False
        if isinstance(message, Desired):
            self._told_anew.add(key)
        self._changed[key] = stored.sequence
        return True

    @property
    def changed(self) -> bool:
        """Whether anything was learnt since the last target."""
        return bool(self._changed)

    def target(self) -> Target:
        """Return everything wanted now; what is learnt from here on belongs to the next target."""
        self._by_last_good -= self._told_anew
        self._closed -= self._told_anew
        self._told_anew = set()
        moment = self._clock()
        changed = self._changed | {
            key: 0 for key, end in self._ends.items() if end <= moment and key not in self._changed
        }
        self._changed = {}
        self._offer(changed)
        return self._target()

    def accept(self) -> None:
        """Remember that Envoy has confirmed the last target."""
        self._accepted = dict(self._wanted)
        for key in self._offered.keys() - self._by_last_good - self._closed:
            self._refused.pop(key, None)
        self._offered = {}

    def hold(self, refused: ConfigurationRefusedError) -> Target | None:
        """Return the target without the changes of those that were refused; None where it was of none."""
        names = set(refused.resources)
        found = [key for key in self._offered if key in self._wanted and self._wanted[key].names & names]
        for key in found:
            self._refused.setdefault(key, self._offered.pop(key))
            self._fall_back(key, refused)
        return self._target() if found else None

    @property
    def held(self) -> dict[str, int]:
        """The first record that is not served, of each deployment that keeps its last good routes."""
        reasons = (self._refused, self._unreadable)
        keys = {key for reason in reasons for key in reason}
        return {"/".join(key): min(reason[key] for reason in reasons if key in reason) for key in keys}

    def _fall_back(self, key: Key, refused: ConfigurationRefusedError) -> None:
        if key in self._closed:
            del self._wanted[key]
        elif refused.kind == "routes" and key not in self._by_last_good and self._asks_as_last_good(key):
            self._by_last_good.add(key)
            self._offer({key: self._refused[key]})
        else:
            self._restore(key, refused.before)

    def _asks_as_last_good(self, key: Key) -> bool:
        asked, last = self.known.deployment(key), self._last_good(key)
        if asked is None or last is None:
            return False
        return asked.access.mode is AccessMode.OPEN or asked.access == last.access

    def _offer(self, changed: Mapping[Key, int]) -> None:
        moment = self._clock()
        offered = dict(changed)
        for key, sequence in changed.items():
            for other in self._claim(key, moment):
                offered.setdefault(other, sequence)
        for key in offered:
            self._render(key, moment)
        self._offered |= offered

    def _claim(self, key: Key, moment: datetime) -> Iterable[Key]:
        """Bring the claims of a deployment up to date; return those whose names changed."""
        deployment = self._deployment(key)
        self._ends.pop(key, None)
        if deployment is None:
            return self._claims.put(key, ())
        if end := deployment.next_end(moment):
            self._ends[key] = end
        return self._claims.put(key, deployment.names_at(moment))

    def _deployment(self, key: Key) -> KnownDeployment | None:
        return self._last_good(key) if key in self._by_last_good else self.known.deployment(key)

    def _last_good(self, key: Key) -> KnownDeployment | None:
        return self._accepted[key].deployment if key in self._accepted else None

    def _render(self, key: Key, moment: datetime) -> None:
        deployment = self._deployment(key)
        if deployment is None:
            self._wanted.pop(key, None)
            return
        names = self._claims.names_of(key)
        if key in self._closed:
            self._wanted[key] = _close(self._wanted.get(key, _Rendered()), closed(deployment, names))
            return
        ready = self.known.ready(key)
        found = section(deployment, ready, names, moment=moment, checks_keys=self._checks_keys)
        before = self._wanted.get(key)
        if before is not None and before.section == found:
            self._wanted[key] = replace(before, deployment=deployment)
        else:
            self._wanted[key] = _Rendered(
                deployment=deployment,
                section=found,
                clusters={each.name: cluster(each) for each in found.clusters},
                routes=_route_lists(found.places),
            )

    def _restore(self, key: Key, before: Target) -> None:
        """Go back to what Envoy confirmed last, or, since the last start, to what its files have."""
        refused = self._wanted.pop(key)
        if key in self._accepted:
            self._wanted[key] = self._accepted[key]
        else:
            kept = before.part(refused.routes)
            self._wanted[key] = _Rendered(clusters=dict(kept.clusters), routes=dict(kept.routes))
        if not self._opens_as_asked(key):
            _log.error("a deployment is closed: its new access cannot be applied", deployment="/".join(key))
            self._by_last_good.discard(key)
            self._closed.add(key)
            self._offer({key: self._refused[key]})

    def _opens_as_asked(self, key: Key) -> bool:
        asked = self.known.deployment(key)
        guard = guard_at(asked, self._clock()) if asked else None
        return guard is None or all(is_guarded_by(each, guard) for each in self._wanted[key].routes.values())

    def _target(self) -> Target:
        every = list(self._held_first())
        return Target(
            clusters={name: text for each in every for name, text in each.clusters.items()},
            routes={prefix: text for each in every for prefix, text in each.routes.items()},
        )

    def _held_first(self) -> Iterator[_Rendered]:
        """A name that a held deployment still has may be another's by now."""
        yield from (each for key, each in self._wanted.items() if key in self._refused)
        yield from (each for key, each in self._wanted.items() if key not in self._refused)


def _close(kept: _Rendered, places: tuple[Place, ...]) -> _Rendered:
    """Requests on their way keep their clusters."""
    return replace(kept, section=replace(kept.section, places=places), routes=_route_lists(places))


def _route_lists(places: Iterable[Place]) -> dict[str, str]:
    return {each.prefix: route_list(each) for each in places if each.routes}
