"""A deployment that is sent anything, whose target, monitor and gateways answer late or never.

The world keeps the records, the target has the replicas; here is what a test may do to both, and what is
promised of the messages and at the end.
"""

from dataclasses import dataclass, field
from typing import Any

from deployment_ends import ENDS, STATES
from deployment_promises import Promises
from deployment_rest import check_rest
from deployment_target import Key, Target, version_of
from deployment_world import START, World, make_failure, make_restored
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    AnyDeployerCommand,
    CancelBuild,
    Deploy,
    Pin,
    Redeploy,
    RemoveAlias,
    RemoveVersions,
    SetAlias,
    Start,
)
from slipway_contracts.desired import Desired
from slipway_contracts.events import (
    BuildCanceled,
    BuildEnd,
    BuildFailed,
    BuildSucceeded,
    DeploymentFailed,
    DeploymentRecovered,
    OperationStarted,
    OperationSucceeded,
    ReleaseCreated,
    ReleaseStarting,
    TrafficShifted,
)
from slipway_contracts.evolve import DeploymentFacts, evolve
from slipway_contracts.lifecycle import RELEASE_MOVES, ReleaseState
from slipway_contracts.message import Message
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.traffic import RestoredRelease, TrafficShare
from slipway_contracts.version import Version
from slipway_deployer.judging.timetable import awaits_gateways, next_look

S = ReleaseState
STRAY = ("5715a45715a45715", "0-1")


@dataclass
class Simulation:
    """Sends commands to a world, moves its target and gateways, and checks the promises."""

    world: World = field(default_factory=lambda: World(takes_wishes=False))
    target: Target = field(default_factory=Target)
    operations: dict[str, AnyDeployerCommand] = field(default_factory=dict)
    told: int = 0
    ended: dict[str, Message] = field(default_factory=dict)
    states: dict[int, ReleaseState] = field(default_factory=dict)
    known: dict[int, tuple[Version, ReleaseConfig]] = field(default_factory=dict)
    builds: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, tuple[TrafficShare, ...]] = field(default_factory=dict)
    facts: DeploymentFacts = field(default_factory=lambda: DeploymentFacts.empty("default", "digits"))
    canceled: list[str] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    lived: set[int] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    loops: bool = False

    def __post_init__(self) -> None:
        self.promises = Promises(self.world)

    @property
    def record(self) -> Desired:
        return self.world.record

    def send(self, *messages: AnyDeployerCommand | BuildEnd) -> None:
        """Let these come before the deployer looks again."""
        if len(messages) > 1:
            # One of them may have made room for what another one took back.
            self.promises.room_is_made()
        for message in messages:
            self._fold(message, self.world.sequence + 1)
            identifier = self.world.append(message)
            if isinstance(message, AnyDeployerCommand):
                self.operations[identifier] = message
        self.world.settle()
        self.after_step()

    def cancel_build(self) -> None:
        """Let the builder hear of one that was canceled: it has ended long ago, or ends so."""
        build = self.canceled.pop(0)
        if self.builds.pop(build, None) is not None:
            self.send(BuildCanceled(group="default", deployment="digits", build=build, by="ada"))

    def end_build(self, build: str, *, fails: bool) -> None:
        number = self.builds.pop(build)
        owner = {"group": "default", "deployment": "digits", "build": build}
        if fails:
            self.send(BuildFailed(**owner, failure=make_failure()))
        else:
            self.send(BuildSucceeded(**owner, version=version_of(number), seconds=1))

    def take_wishes(self) -> None:
        self.world.refused, self.world.missing_secrets = self.target.take(self.record)
        self.world.reconciled = not self.world.refused
        self.world.settle()
        self.after_step()

    def disown(self) -> None:
        self.target.disown(self.record)

    def say(self, count: int) -> None:
        """Let the monitor say what it saw, oldest first."""
        for seen in self.target.unsaid[:count]:
            details: dict[str, Any] = {"smoke": seen.smoke, "at": seen.at, "listening": seen.listening}
            self.world.see(*seen.key, seen.state, started_at=seen.started_at, **details)
        self.target.unsaid = self.target.unsaid[count:]
        self.world.settle()
        self.after_step()

    def say_again(self, key: Key) -> None:
        """Let another monitor say what is known."""
        fact = self.world.facts[key]
        details: dict[str, Any] = {"smoke": fact.smoke, "at": fact.at, "listening": fact.listening}
        self.world.see(*key, fact.state, started_at=fact.started_at, **details)
        self.world.settle()
        self.after_step()

    def wait(self, seconds: float) -> None:
        before, due = self.record, next_look(self.record, self._wanted_facts())
        self.world.wait(seconds)
        self.target.at = self.world.at
        assert before == self.record or (due is not None and due <= self.world.at), "nobody would have looked"
        self.after_step()

    def apply_gateway(self, active: int, name: str = "one", *, held: bool = False) -> None:
        before, due = self.record, next_look(self.record, self._wanted_facts())
        if not held:
            self.promises.applied(name)
        self.world.apply_gateway(active, name=name, held=held)
        looked = awaits_gateways(before) or (due is not None and due <= self.world.at)
        assert before == self.record or looked, "nobody would have looked"
        self.after_step()

    def forget_gateway(self, name: str) -> None:
        self.world.gateways.pop(name, None)
        self.promises.forgotten(name)
        self.world.settle()
        self.after_step()

    def _wanted_facts(self) -> dict[Key, ReplicaFact]:
        wanted = {
            (each.workload.id, one) for each in self.record.workloads for one in each.workload.replica_ids
        }
        return {key: fact for key, fact in self.world.facts.items() if key in wanted}

    def restorable(self) -> dict[int, RestoredRelease]:
        return {
            number: make_restored(number, version).model_copy(update={"config": config})
            for number, (version, config) in self.known.items()
            if self.states[number] in {S.LIVE, S.DRAINING, S.RETIRED}
        }

    def after_step(self) -> None:
        self._read_events()
        if self.world.desired is None:
            return
        self._fold(self.record, self.world.record_sequence)
        self._check_operations()
        for release in self.record.releases:
            assert self.states[release.number] is release.state
        self.promises.check(self.aliases)
        assert Desired.model_validate_json(self.record.model_dump_json()) == self.record

    def _fold(self, message: AnyMessage, sequence: int) -> None:
        self.facts = evolve(self.facts, message, sequence=sequence, at=START)

    def _read_events(self) -> None:
        for message in self.world.told[self.told :]:
            assert type(message).model_validate_json(message.model_dump_json()) == message
            if isinstance(message, OperationStarted):
                assert message.operation not in self.begun | self.ended.keys(), message
                self.begun.add(message.operation)
            if isinstance(message, ENDS):
                assert message.operation not in self.ended, f"{message} after {self.ended[message.operation]}"
                self.ended[message.operation] = message
            if isinstance(message, OperationSucceeded) and message.operation in self.operations:
                self._check_effect(self.operations[message.operation], message.operation)
            self._note(message)
            self._move(message)
        self.told = len(self.world.told)

    def _note(self, message: Message) -> None:
        match message:
            case ReleaseStarting():
                release = self.record.release(message.release)
                if release is not None:
                    self.known[message.release] = (message.version, release.config)
            case ReleaseCreated():
                self.made[message.operation] = message.release
            case TrafficShifted():
                self.aliases[message.alias] = message.shares
            case CancelBuild():
                self.canceled.append(message.build)
            case RemoveVersions():
                self._check_removal(message)
            case DeploymentFailed():
                assert not self.loops
                self.loops = True
            case DeploymentRecovered():
                assert self.loops
                self.loops = False
            case _:
                pass

    def _move(self, message: Message) -> None:
        state = STATES.get(type(message))
        if state is None:
            return
        number: int = message.release  # type: ignore[attr-defined]
        before = self.states.get(number)
        if before is None:
            assert state is S.PENDING, message
        else:
            assert state in RELEASE_MOVES[before], f"{before} to {message}"
        self.states[number] = state
        if state is S.LIVE:
            self.lived.add(number)

    def _check_effect(self, command: AnyDeployerCommand, operation: str) -> None:
        """What succeeds has its effect."""
        match command:
            case SetAlias():
                assert self.aliases[command.alias] == command.shares
            case RemoveAlias():
                assert not self.aliases.get(command.alias)
            case Pin() if command.pinned:
                assert self.states[command.release] is S.LIVE
            case Start():
                # Its last alias may move when a newer command has long moved the first one on.
                assert self.states[self.made[operation]] in {S.LIVE, S.DRAINING, S.RETIRED}
            case Deploy(request=request) | Redeploy(request=request):
                made = self.made[operation]
                own = TrafficShare(release=made, weight=request.weight)
                assert self.states[made] is S.LIVE
                assert self.aliases[request.alias] == (own, *request.beside)
            case _:
                pass

    def _check_removal(self, command: RemoveVersions) -> None:
        gone = {each.id for each in command.versions}
        if command.cause == "retention":
            recent = sorted(self.lived)[-10:]
            assert not gone & {self.known[number][0].id for number in recent}
        running = {each.version.id for each in self.record.releases if each.version is not None}
        assert not gone & running
        assert not gone & {each.id for each in self.record.kept_versions}
        self.lived = {number for number in self.lived if self.known[number][0].id not in gone}

    def _check_operations(self) -> None:
        desired = self.record
        waiting = {move.operation for move in desired.moves if not move.operation_ended}
        waiting |= {each.awaited_by for each in desired.releases if each.awaited_by is not None}
        waiting |= {desired.ending} if desired.ending is not None else set()
        waiting |= {each.operation for each in desired.settling}
        for operation in self.operations:
            assert (operation in self.ended) != (operation in waiting), (
                self.ended.get(operation),
                operation in waiting,
            )

    def calm_down(self) -> None:
        """Let everything answer until nothing is on its way."""
        for build in list(self.builds):
            self.end_build(build, fails=False)
        self.target.full = False
        self.target.without_secrets.clear()
        calm = 0
        for _ in range(200):
            before = (self.record, dict(self.target.replicas))
            self.take_wishes()
            self.disown()
            self.target.run()
            self.say(len(self.target.unsaid))
            for name in list(self.world.gateways) or ["one"]:
                self.apply_gateway(0, name)
            self.wait(25)
            calm = calm + 1 if before == (self.record, self.target.replicas) else 0
            if calm > 1 and next_look(self.record, self._wanted_facts()) is None:
                break
        else:
            raise AssertionError(f"it does not come to rest: {self.record}")
        assert self.operations.keys() <= self.ended.keys()
        for index, fact in enumerate(self.world.facts.values(), start=1):
            self._fold(fact, self.world.record_sequence + index)
        check_rest(self.world, self.target, self.facts)
