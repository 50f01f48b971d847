"""A target in memory: its replicas come up, end and hang when a test says so."""

from dataclasses import dataclass, field
from datetime import datetime

from deployment_world import START, make_version
from slipway_contracts.desired import Desired
from slipway_contracts.replica import ReplicaState, SmokeResult
from slipway_contracts.version import EndpointSpec, SmokeTest, Version
from slipway_contracts.workload import Workload
from slipway_deployer.desired.observed import Refusal

Key = tuple[str, str]
TESTED, DOUBLE, MIXED, SWAPPED = 3, 4, 7, 11
"""Versions with a smoke test; with two endpoints, some of which insist on ports."""
BROKEN, WRONG, BLOCKED, ELSEWHERE, SLOW = 8, 9, 10, 12, 13
"""Versions that exit, fail their smoke test, have no image, listen on another port, and are never ready."""
PORTED = (5, 6)


def version_of(number: int) -> Version:
    """Return one of the versions that differ in what they need and in how they end."""
    port = 8000 if number in PORTED else 8001 if number == SWAPPED else None
    smoke_test = SmokeTest(path="/") if number in {TESTED, WRONG} else None
    version = make_version(number, fixed_port=port, smoke_test=smoke_test)
    if number not in {DOUBLE, MIXED, SWAPPED}:
        return version
    first = version.endpoints[0]
    if number == DOUBLE:
        first = make_version(1).endpoints[0]
    second = first.model_copy(
        update={
            "name": "explain",
            "image": f"sha256:{100:064x}" if number == DOUBLE else first.image,
            "fixed_port": None if number == DOUBLE else 8000,
        }
    )
    return version.model_copy(update={"endpoints": (first, second)})


def ports(version: Version | None) -> frozenset[int]:
    """Return the ports that a version insists on."""
    endpoints: tuple[EndpointSpec, ...] = version.endpoints if version is not None else ()
    return frozenset(each.fixed_port for each in endpoints if each.fixed_port is not None)


@dataclass(frozen=True)
class Seen:
    """What the monitor saw of a replica, and when."""

    key: Key
    state: ReplicaState
    smoke: SmokeResult | None
    at: datetime
    started_at: datetime
    listening: tuple[int, ...]


@dataclass
class Target:
    """What an engine runs: the state of each replica, and what the monitor has yet to say of it."""

    at: datetime = START
    replicas: dict[Key, Seen] = field(default_factory=dict)
    workloads: dict[str, Workload] = field(default_factory=dict)
    unsaid: list[Seen] = field(default_factory=list)
    full: bool = False
    without_secrets: set[str] = field(default_factory=set)

    def change(self, key: Key, state: ReplicaState, smoke: SmokeResult | None = None) -> None:
        known = self.replicas.get(key)
        if known is None or (known.state, known.smoke) != (state, smoke):
            elsewhere = self.number(key) == ELSEWHERE and state is ReplicaState.STARTED
            started_at = known.started_at if known else self.at
            self.replicas[key] = Seen(key, state, smoke, self.at, started_at, (9999,) if elsewhere else ())
            self.unsaid.append(self.replicas[key])

    def take(self, desired: Desired) -> tuple[dict[str, Refusal], dict[str, str]]:
        """Take every wish of a record, but for what there is no room or no secret for; return these."""
        refused: dict[str, Refusal] = {}
        missing: dict[str, str] = {}
        wanted = {
            (each.workload.id, replica) for each in desired.workloads for replica in each.workload.replica_ids
        }
        known = {each.workload.id for each in desired.workloads} | {each.id for each in desired.removed}
        for key in [key for key in self.running if key[0] in known and key not in wanted]:
            self.change(key, ReplicaState.GONE)
        for key, seen in list(self.replicas.items()):
            if key[0] in known and key not in wanted and seen.state is ReplicaState.EXITED:
                self.change(key, ReplicaState.GONE)
        for each in desired.workloads:
            self.workloads[each.workload.id] = each.workload
            if each.workload.id in self.without_secrets:
                missing[each.workload.id] = "no secret token version 1"
        for key in sorted(wanted - self.replicas.keys()):
            if self.full:
                refused[key[0]] = Refusal("no room", no_room=True)
            elif key[0] not in missing:
                self.change(key, ReplicaState.STARTED)
        return refused, missing

    def disown(self, desired: Desired) -> None:
        """Remove what no record names, as the deployer does that sees it running."""
        named = {each.workload.id for each in desired.workloads} | {each.id for each in desired.removed}
        for key in [key for key in self.running if key[0] not in named]:
            self.change(key, ReplicaState.GONE)

    def run(self) -> None:
        """Let every replica come as far as it can."""
        for key, seen in list(self.replicas.items()):
            workload, number = self.workloads.get(key[0]), self.number(key)
            if number in {ELSEWHERE, SLOW}:
                continue
            if seen.state in {ReplicaState.STARTED, ReplicaState.UNREADY, ReplicaState.BLOCKED}:
                ends = {BROKEN: ReplicaState.EXITED, BLOCKED: ReplicaState.BLOCKED}
                self.change(key, ends.get(number, ReplicaState.READY))
            elif seen.state is ReplicaState.READY and seen.smoke is None and workload and workload.smoke_test:
                passed = number != WRONG
                self.change(
                    key, seen.state, SmokeResult(passed=passed, message="GET / gave 200", seconds=0.1)
                )

    def number(self, key: Key) -> int:
        """Return which version's image a replica runs."""
        workload = self.workloads.get(key[0])
        return int(workload.image.removeprefix("sha256:"), 16) if workload else 0

    @property
    def running(self) -> set[Key]:
        ended = {ReplicaState.GONE, ReplicaState.EXITED}
        return {key for key, seen in self.replicas.items() if seen.state not in ended}
