"""What the agenda knows of one deployment, and what of it is due when. It reads no clock and no log."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.desired import Desired
from slipway_contracts.replica import ReplicaFact

from slipway_deployer.desired.observed import ENDED
from slipway_deployer.judging.timetable import awaits_gateways, next_look

PATIENCE: Final = timedelta(seconds=1)
"""A look that was due and changed nothing is not repeated sooner."""
_LONGEST_PAUSE: Final = timedelta(seconds=60)


@dataclass
class Outlook:
    """The last record and facts of a deployment, and what came of looking at it.

    Attributes:
        desired: the last record that could be read; None: there is none yet.
        sequence: of the desired record.
        running: what was last seen running, wanted or not.
        facts: the last of each replica that is wanted.
        failures: looks in a row that failed for a reason of this deployment.
        again_at: when to look although nothing of it is due.
        not_before: a look that is due waits until then.
        strays_not_before: the same for what nobody wants.
        strays: what was last seen running, and is neither wanted nor about to go.
        awaits_gateways: its next step depends on what the gateways have applied.
    """

    desired: Desired | None = None
    sequence: int = 0
    running: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    facts: dict[tuple[str, str], ReplicaFact] = field(default_factory=dict)
    failures: int = 0
    again_at: datetime | None = None
    not_before: datetime | None = None
    strays_not_before: datetime | None = None
    strays: list[ReplicaFact] = field(default_factory=list)
    awaits_gateways: bool = False
    _is_readable: bool = True
    _planned: datetime | None = None

    @property
    def due(self) -> datetime | None:
        """When to look at it."""
        at = min((each for each in (self._planned, self.again_at) if each is not None), default=None)
        return at if at is None or self.not_before is None else max(at, self.not_before)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.desired is not None and self.desired.ended

    @property
    def is_blank(self) -> bool:
        """Whether nothing runs, nothing is due and nothing is wanted, so that nothing is lost without it.

        To be asked only once the log was caught up with: before, the record of what is seen may be to come.
        """
        idle = self.due is None and not self.running and not self.failures and not self.awaits_gateways
        return idle and self._is_readable and (self.desired is None or self.desired.ended)

    def note_desired(self, desired: Desired, sequence: int, *, at: datetime) -> None:
        """Keep what is wanted now; what could not be judged may be looked at again."""
        self.desired, self.sequence, self._is_readable = desired, sequence, True
        self.not_before = None
        if self.failures:
            self.failures, self.again_at = 0, at
        wanted = {
            (each.workload.id, replica) for each in desired.workloads for replica in each.workload.replica_ids
        }
        self.facts = {key: fact for key, fact in self.facts.items() if key in wanted}
        self._plan()

    def note_unreadable(self) -> None:
        """Judge by nothing, and take nothing for a stray, until a record comes that can be read."""
        self._is_readable = False
        self._plan()

    def note_replica(self, fact: ReplicaFact) -> None:
        """Keep what was seen of a replica."""
        key = (fact.workload, fact.replica)
        if fact.state in ENDED:
            self.running.pop(key, None)
        else:
            self.running[key] = fact
        if not self.is_over:
            self.facts[key] = fact
        self._plan()

    def note_failure(self, *, at: datetime) -> None:
        """Look at it again later each time that it fails, at least once a minute."""
        pause = min(_LONGEST_PAUSE, PATIENCE * (1 << min(self.failures, 16)))
        self.failures += 1
        self.again_at = self.not_before = at + pause

    def _plan(self) -> None:
        """Derive what follows from record and facts; once per change, for it costs more than to ask."""
        judged = self.desired if self._is_readable else None
        self._planned = None if judged is None else next_look(judged, self.facts)
        self.awaits_gateways = judged is not None and awaits_gateways(judged)
        self.strays = self._find_strays() if self._is_readable else []

    def _find_strays(self) -> list[ReplicaFact]:
        named = set[str]()
        if self.desired is not None:
            named = {each.workload.id for each in self.desired.workloads}
            named |= {each.id for each in self.desired.removed}
        return [fact for fact in self.running.values() if fact.workload not in named]
