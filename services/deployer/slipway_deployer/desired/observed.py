"""The latest records about one deployment, and what they say of its replicas. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Self

from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_deployer.fixed_ports import Claim, Port

FIRST_BACK_OFF: Final = timedelta(milliseconds=200)
LONGEST_BACK_OFF: Final = timedelta(seconds=30)
HUNG_AFTER: Final = timedelta(seconds=30)
ENDED: Final = frozenset({ReplicaState.EXITED, ReplicaState.GONE})
Facts = Mapping[tuple[str, str], ReplicaFact]


@dataclass(frozen=True)
class Refusal:
    """Why a target did not take a wish."""

    problem: str
    no_room: bool = False


@dataclass(frozen=True)
class Observed:
    """What was seen of one deployment."""

    deployment: str
    revision: int
    reconciled: bool = False
    """Whether the engine has taken every wish of this revision."""
    replicas: Facts = field(default_factory=dict)
    gateways: tuple[GatewayRecord, ...] = ()
    log_tails: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Of replicas that are late or hang; the fact of one that ended has its own."""
    were_ready: frozenset[tuple[str, str]] = frozenset()
    """Of the replicas that have been unready for long: those that had been ready before."""
    missing_secrets: Mapping[str, str] = field(default_factory=dict)
    """Per workload that the engine could not be told: which secrets are not stored."""
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """Per workload whose wish the engine has not taken yet: why."""

    ports: Mapping[Port, Claim] = field(default_factory=dict)
    """The fixed ports that this deployment wants and another one wants too: which."""
    wanted: frozenset[tuple[str, str]] | None = None
    """The replicas that were wanted when the judgement began; None: all."""

    @property
    def applied(self) -> bool:
        """Whether every known gateway, and at least one, sends requests as this revision says."""
        return bool(self.gateways) and all(
            each.has_applied(self.deployment, self.revision) for each in self.gateways
        )

    @property
    def silent(self) -> list[str]:
        """The gateways that do not send requests as this revision says."""
        return [
            each.gateway for each in self.gateways if not each.has_applied(self.deployment, self.revision)
        ]

    def idle(self, workload: str) -> bool:
        """Whether every gateway says that it waits for no answer of this workload."""
        return self.applied and all(each.active.get(workload) == 0 for each in self.gateways)

    def left(self, workload: str, replica: str) -> bool:
        """Whether every gateway says that it waits for no answer of this replica."""
        return self.applied and all(each.leaving.get(f"{workload}/{replica}") == 0 for each in self.gateways)

    def fact(self, each: DesiredWorkload, slot: int) -> ReplicaFact | None:
        """Return the latest fact of the replica that this slot should have now."""
        key = (each.workload.id, each.workload.replica_ids[slot])
        return self.replicas.get(key) if self.wanted is None or key in self.wanted else None

    def judging(self, desired: Desired) -> Self:
        """Return this for a judgement that begins with this record.

        A workload that comes back in the course of it gets new attempts; the facts of its earlier life, which
        may just be ending, say nothing about it.
        """
        wanted = ((each.workload.id, one) for each in desired.workloads for one in each.workload.replica_ids)
        return replace(self, wanted=frozenset(wanted))

    def of_release(
        self, desired: Desired, release: DesiredRelease
    ) -> Iterator[tuple[DesiredWorkload, int, ReplicaFact]]:
        """Return workload, slot and fact of each replica of a release that was seen."""
        for each in workloads_in(desired, release):
            for slot in range(len(each.crashes)):
                fact = self.fact(each, slot)
                if fact is not None:
                    yield each, slot, fact

    def all_ready(self, desired: Desired, release: DesiredRelease) -> bool:
        """Whether enough replicas of each endpoint are ready, and passed their smoke test."""
        known = workloads_in(desired, release)
        return len(known) == len(set(release.workloads.values())) and all(
            self._enough_ready(release, each) for each in known
        )

    def _enough_ready(self, release: DesiredRelease, each: DesiredWorkload) -> bool:
        ready = sum(1 for slot in range(each.serving) if self._may_serve(each, slot))
        return ready >= (1 if each.workload.fixed_port else release.config.replicas)

    def _may_serve(self, each: DesiredWorkload, slot: int) -> bool:
        fact = self.fact(each, slot)
        if fact is None or fact.state is not ReplicaState.READY:
            return False
        return each.workload.smoke_test is None or (fact.smoke is not None and fact.smoke.passed)


def workloads_in(desired: Desired, release: DesiredRelease) -> list[DesiredWorkload]:
    """Return the workloads of a release that exist."""
    wanted = set(release.workloads.values())
    return [each for each in desired.workloads if each.workload.id in wanted]


def back_off(crashes: int) -> timedelta:
    """Return the pause before the restart after this many crashes in a row."""
    return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * (1 << min(crashes, 12)))


def restart_at(fact: ReplicaFact, crashes: int) -> datetime:
    """Return when the replica that this fact says has exited may start again."""
    return fact.at + back_off(crashes)


def seems_hung(fact: ReplicaFact, at: datetime) -> bool:
    """Whether a replica has been unready for so long that it may never answer again."""
    return fact.state is ReplicaState.UNREADY and at - fact.at >= HUNG_AFTER
