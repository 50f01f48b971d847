"""What a deployment's record must keep to after every round, whatever was asked and seen."""

from dataclasses import dataclass, field
from datetime import datetime

from deployment_target import ports
from deployment_world import World
from slipway_contracts.desired import DesiredRelease, DesiredWorkload
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.release import Strategy
from slipway_contracts.replica import ReplicaState
from slipway_contracts.traffic import FULL_WEIGHT, TrafficShare, releases_of
from slipway_deployer.desired.needs import drains, named
from slipway_deployer.desired.upgrading import upgraded

S = ReleaseState
LONGEST_ANSWER = 300


@dataclass
class Promises:
    """Checks a record against the one before it, the facts, and what the gateways have applied."""

    world: World
    before: dict[str, DesiredWorkload] = field(default_factory=dict)
    shifted: set[tuple[str, str]] = field(default_factory=set)
    served_by: dict[str, tuple[float, dict[str, int]]] = field(default_factory=dict)
    """Per gateway: when it applied a record, and of which workloads it uses how many replicas."""

    draining: dict[str, datetime] = field(default_factory=dict)
    """Workloads that finish what they have, and until when they may."""

    def check(self, aliases: dict[str, tuple[TrafficShare, ...]]) -> None:
        """Check all of them; `aliases` is where events say that each alias leads."""
        self._check_aliases(aliases)
        self._check_moves()
        self._check_shifts()
        self._check_releases()
        self._check_workloads()
        self._check_serving()
        self._check_draining()
        self._check_attempts()
        self._check_versions()

    def _check_aliases(self, aliases: dict[str, tuple[TrafficShare, ...]]) -> None:
        desired = self.world.record
        if desired.wanted is Wanted.RUNNING:
            assert desired.parked == ()
            assert desired.ending is None
            assert desired.unloading is None
        else:
            assert desired.routes == ()
            assert desired.moves == ()
            assert desired.crash_loop is None
        for route in desired.routes:
            assert sum(share.weight for share in route.shares) == FULL_WEIGHT
            for share in route.shares:
                release = desired.release(share.release)
                assert release is not None
                assert release.state in {S.READY, S.LIVE, S.DRAINING}, release.state
        told = {alias: shares for alias, shares in aliases.items() if shares}
        assert told == {route.alias: route.shares for route in desired.routes}

    def _check_moves(self) -> None:
        desired = self.world.record
        assert upgraded(desired) == desired
        for alias in {move.alias for move in desired.moves}:
            moves = [move for move in desired.moves if move.alias == alias]
            assert len(moves) <= 2
            assert sum(1 for move in moves if move.shifted) <= 1
            assert sum(1 for move in moves if not move.shifted) <= 1
            assert all(move.deadline_at is not None for move in moves if move.shifted)

    def _check_shifts(self) -> None:
        """An alias moves only to releases that have all their replicas ready and tested."""
        shifted = {(move.alias, move.operation): move for move in self.world.record.shifting}
        for key, move in shifted.items():
            for share in move.shares if key not in self.shifted else ():
                release = self.world.record.release(share.release)
                assert release is not None
                assert release.version is not None
                assert len(release.workloads) == len(release.version.endpoints)
                for identifier in release.workloads.values():
                    each = self.world.record.workload(identifier)
                    assert each is not None
                    want = 1 if each.workload.fixed_port else release.config.replicas
                    assert self._ready(each) >= want
        self.shifted = set(shifted)

    def _ready(self, each: DesiredWorkload) -> int:
        facts = [self.world.facts.get((each.workload.id, one)) for one in each.serving_replicas]
        tested = [
            fact
            for fact in facts
            if fact is not None and (each.workload.smoke_test is None or (fact.smoke and fact.smoke.passed))
        ]
        return sum(1 for fact in tested if fact.state is ReplicaState.READY)

    def _check_releases(self) -> None:
        desired, names = self.world.record, named(self.world.record)
        for release in desired.releases:
            assert release.state in {S.PENDING, S.STARTING, S.READY, S.LIVE, S.DRAINING}
            waits = release.state in {S.PENDING, S.STARTING}
            assert not waits or release.deadline_at is not None
            if release.number not in names:
                assert release.state is S.DRAINING, release.state
                assert release.deadline_at is not None
        if desired.wanted is Wanted.RUNNING:
            assert all(desired.release(number) is not None for number in names)

    def makes_room(self) -> bool:
        """Whether something that comes may take replicas from what serves: in place, or for a port."""
        return any(
            each.config.strategy is Strategy.IN_PLACE or ports(each.version) for each in self._coming()
        )

    def _coming(self) -> list[DesiredRelease]:
        desired = self.world.record
        coming = frozenset[int]().union(*(releases_of(move.shares) for move in desired.moves))
        return [
            each for each in desired.releases if each.state in {S.STARTING, S.READY} or each.number in coming
        ]

    def _check_workloads(self) -> None:
        """Nothing goes that something names, but for what makes room for a successor."""
        desired, names = self.world.record, named(self.world.record)
        needed: dict[str, int] = {}
        for release in desired.releases:
            need = 0 if drains(release, names) else release.config.replicas
            for workload in release.workloads.values():
                needed[workload] = max(needed.get(workload, 0), need)
        identifiers = {each.workload.id for each in desired.workloads}
        assert identifiers <= needed.keys()
        assert not identifiers & {each.id for each in desired.removed}
        held = [each.workload.fixed_port for each in desired.workloads if each.workload.fixed_port]
        assert len(held) == len(set(held))
        makes_room = self.makes_room()
        for release in desired.releases:
            if not drains(release, names) and set(release.workloads.values()) - identifiers:
                assert makes_room
                self._check_displaced(release.number)
        for each in desired.workloads:
            want = 1 if each.workload.fixed_port else needed[each.workload.id]
            assert makes_room or len(each.workload.slots) >= each.serving >= want
            assert len(each.crashes) == len(each.workload.slots)

    def _check_displaced(self, number: int) -> None:
        """Only what is about to be replaced, wherever it is named, makes room."""
        desired = self.world.record
        assert number not in desired.pins
        for alias in {route.alias for route in desired.routes if number in releases_of(route.shares)}:
            moves = [move for move in desired.moves if move.alias == alias]
            assert any(number not in releases_of(move.shares) for move in moves)

    def applied(self, gateway: str) -> None:
        """Note what this gateway sends requests to from now on."""
        desired = self.world.record
        used = {
            workload
            for release in desired.releases
            if release.number in desired.routed
            for workload in release.workloads.values()
        }
        serving = {each.workload.id: each.serving for each in desired.workloads if each.workload.id in used}
        self.served_by[gateway] = (self.world.at.timestamp(), serving)

    def forgotten(self, gateway: str) -> None:
        """Note that it serves no more."""
        self.served_by.pop(gateway, None)

    def room_is_made(self) -> None:
        """Forget what may go at once."""
        self.served_by.clear()
        self.draining.clear()

    def _check_serving(self) -> None:
        """What a gateway sends requests to keeps its slots, for as long as an answer may take."""
        if self.makes_room():
            self.room_is_made()
        for at, serving in self.served_by.values():
            if self.world.at.timestamp() - at >= LONGEST_ANSWER:
                continue
            for identifier, count in serving.items():
                each = self.world.record.workload(identifier)
                assert each is not None
                assert len(each.workload.slots) >= count

    def _check_draining(self) -> None:
        """What some gateway still waits for goes no sooner than its time is over."""
        desired, names = self.world.record, named(self.world.record)
        for identifier, deadline in self.draining.items():
            idle = all(each.active.get(identifier) == 0 for each in self.world.gateways.values())
            if self.world.at < deadline and not (idle and self.world.gateways):
                assert desired.workload(identifier) is not None
        self.draining = {
            workload: release.deadline_at
            for release in desired.releases
            if drains(release, names) and release.deadline_at is not None
            for workload in release.workloads.values()
            if desired.workload(workload) is not None
        }

    def _check_attempts(self) -> None:
        """Attempts only grow, and no replica that is ready is started again."""
        now = {each.workload.id: each for each in self.world.record.workloads}
        for identifier, each in now.items():
            before = self.before.get(identifier)
            seen = {(identifier, one) for one in each.workload.replica_ids} & self.world.facts.keys()
            assert before is not None or not seen, "it goes on behind its earlier life"
            for slot, (old, new) in enumerate(
                zip(before.workload.slots, each.workload.slots, strict=False) if before else ()
            ):
                assert new >= old
                fact = self.world.facts.get((identifier, f"{slot}-{old}"))
                assert new == old or fact is None or fact.state is not ReplicaState.READY
        self.before = now

    def _check_versions(self) -> None:
        """The images of what runs are kept."""
        desired = self.world.record
        kept = {each.id: each for each in desired.kept_versions}
        assert len(kept) == len(desired.kept_versions)
        if desired.wanted is not Wanted.RUNNING:
            return
        for release in desired.releases:
            if release.version is not None:
                assert release.version.id in kept
                assert kept[release.version.id].release >= release.number
