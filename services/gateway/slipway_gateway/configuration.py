"""From records of the log to the target of the writer, deployment by deployment.

What Envoy refused, or what this release cannot read, is held: that deployment is served by its last good
record, and is told as held from the other one on, so that nobody takes that for served. It holds up no other
deployment. Where other access was asked for than that record has, it is closed instead: what is held must not
open more than its owner wants.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.access import AccessMode
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.subjects import desired, owner_of

from slipway_gateway.claims import Claims
from slipway_gateway.known import Key, Known
from slipway_gateway.known_deployment import KnownDeployment
from slipway_gateway.model import Section
from slipway_gateway.plan import closed, guard_at, section
from slipway_gateway.rendered import Rendered
from slipway_gateway.routes import is_guarded_by
from slipway_gateway.writer import ConfigurationRefusedError, Target

_log: Final = get_logger()


@dataclass
class _Standing:
    """Where a deployment stands between what was asked for and what Envoy takes.

    Attributes:
        serves: which record it is served by: the one asked for, its last good one, or none.
        refused_at: the first record that Envoy refused, until it has taken a later one.
        unreadable_at: the first record that this release cannot read, until one comes that it can.
        asked_anew: whether a record came since the last target: the next one tries what it asks for.
        ends_at: when the next of its names and keys ends.
    """

    serves: Literal["asked", "last_good", "closed"] = "asked"
    refused_at: int | None = None
    unreadable_at: int | None = None
    asked_anew: bool = False
    ends_at: datetime | None = None

    @property
    def held_from(self) -> int | None:
        """The first record that is not served."""
        return min((each for each in (self.refused_at, self.unreadable_at) if each is not None), default=None)


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
        self._standings: defaultdict[Key, _Standing] = defaultdict(_Standing)
        # The last record of each that changed: since the last target, and in targets that are not confirmed.
        self._learnt: dict[Key, int] = {(each.group, each.deployment): 0 for each in known.deployments()}
        self._offered: dict[Key, int] = {}
        self._wanted: dict[Key, Rendered] = {}
        self._accepted: dict[Key, Rendered] = {}

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
        match stored.readable:
            case Desired() as record:
                is_news = self._take_record(key, record, stored.sequence)
            case ReplicaFact() as fact:
                is_news = self.known.take(fact) is not None
            case None if stored.subject == desired(*key):
                is_news = False
                self._note_unreadable(key, stored.sequence)
            case _:
                return False
        if is_news:
            self._learnt[key] = stored.sequence
        return is_news

    def _take_record(self, key: Key, record: Desired, sequence: int) -> bool:
        standing = self._standings.get(key, _Standing())
        standing.unreadable_at = None
        is_later = standing.refused_at is not None and sequence > standing.refused_at
        is_news = self.known.take(record) is not None or is_later
        if is_news:
            standing.asked_anew = True
            self._standings[key] = standing
        return is_news

    def _note_unreadable(self, key: Key, sequence: int) -> None:
        """Its routes stay as they are."""
        standing = self._standings[key]
        if standing.unreadable_at is None:
            standing.unreadable_at = sequence

    @property
    def changed(self) -> bool:
        """Whether anything was learnt since the last target."""
        return bool(self._learnt)

    def target(self) -> Target:
        """Return everything wanted now; what is learnt from here on belongs to the next target."""
        learnt, self._learnt = self._learnt, {}
        moment = self._clock()
        for key, standing in self._standings.items():
            if standing.asked_anew:
                standing.serves = "asked"
                standing.asked_anew = False
            if standing.ends_at is not None and standing.ends_at <= moment:
                learnt.setdefault(key, 0)
        self._offer(learnt)
        return self._target()

    def accept(self) -> None:
        """Remember that Envoy has confirmed the last target."""
        self._accepted = dict(self._wanted)
        for key in self._offered:
            standing = self._standings[key]
            if standing.serves == "asked":
                standing.refused_at = None
            if key not in self._wanted and standing == _Standing():
                del self._standings[key]
        self._offered = {}

    def hold(self, refused: ConfigurationRefusedError) -> Target | None:
        """Return the target without the changes of those that were refused; None where it was of none."""
        names = set(refused.resources)
        found = [key for key in self._offered if key in self._wanted and self._wanted[key].names & names]
        for key in found:
            sequence, standing = self._offered.pop(key), self._standings[key]
            if standing.refused_at is None:
                standing.refused_at = sequence
            if self._falls_back(key, standing, refused):
                self._offer({key: standing.refused_at})
        return self._target() if found else None

    @property
    def held(self) -> dict[str, int]:
        """The first record that is not served, of each deployment that keeps its last good routes."""
        found = {"/".join(key): standing.held_from for key, standing in self._standings.items()}
        return {name: sequence for name, sequence in found.items() if sequence is not None}

    def _falls_back(self, key: Key, standing: _Standing, refused: ConfigurationRefusedError) -> bool:
        """Choose what it is served by from now on; return whether that has to be offered yet."""
        if standing.serves == "closed":
            del self._wanted[key]
            return False
        if refused.kind == "routes" and standing.serves == "asked" and self._asks_as_last_good(key):
            standing.serves = "last_good"
            return True
        self._restore(key, refused.before)
        if self._opens_as_asked(key):
            return False
        _log.error("a deployment is closed: its new access cannot be applied", deployment="/".join(key))
        standing.serves = "closed"
        return True

    def _asks_as_last_good(self, key: Key) -> bool:
        asked, last = self.known.deployment(key), self._last_good(key)
        if asked is None or last is None:
            return False
        return asked.access.mode is AccessMode.OPEN or asked.access == last.access

    def _opens_as_asked(self, key: Key) -> bool:
        asked = self.known.deployment(key)
        guard = guard_at(asked, self._clock()) if asked else None
        return guard is None or all(is_guarded_by(each, guard) for each in self._wanted[key].routes.values())

    def _restore(self, key: Key, before: Target) -> None:
        """Go back to what Envoy confirmed last, or, since the last start, to what its files have."""
        refused = self._wanted.pop(key)
        if key in self._accepted:
            self._wanted[key] = self._accepted[key]
        else:
            kept = before.part(refused.routes)
            self._wanted[key] = Rendered(clusters=dict(kept.clusters), routes=dict(kept.routes))

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
        self._standings[key].ends_at = deployment.next_end(moment) if deployment else None
        return self._claims.put(key, deployment.names_at(moment) if deployment else ())

    def _render(self, key: Key, moment: datetime) -> None:
        deployment = self._deployment(key)
        if deployment is None:
            self._wanted.pop(key, None)
            return
        names, before = self._claims.names_of(key), self._wanted.get(key, Rendered())
        if self._standings[key].serves == "closed":
            self._wanted[key] = before.closed(closed(deployment, names))
        else:
            found = section(
                deployment, self.known.ready(key), names, moment=moment, checks_keys=self._checks_keys
            )
            self._wanted[key] = before.serving(deployment, found)

    def _deployment(self, key: Key) -> KnownDeployment | None:
        if self._standings[key].serves == "last_good":
            return self._last_good(key)
        return self.known.deployment(key)

    def _last_good(self, key: Key) -> KnownDeployment | None:
        return self._accepted[key].deployment if key in self._accepted else None

    def _target(self) -> Target:
        every = list(self._held_first())
        return Target(
            clusters={name: text for each in every for name, text in each.clusters.items()},
            routes={prefix: text for each in every for prefix, text in each.routes.items()},
        )

    def _held_first(self) -> Iterator[Rendered]:
        """A name that a held deployment still has may be another's by now."""
        held = {key for key in self._wanted if self._standings[key].refused_at is not None}
        yield from (each for key, each in self._wanted.items() if key in held)
        yield from (each for key, each in self._wanted.items() if key not in held)
