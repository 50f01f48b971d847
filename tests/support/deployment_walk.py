"""A random walk of one deployment: commands as an api may send them, and a target and gateway with moods."""

import random
from collections.abc import Callable
from typing import Any

from deployment_simulation import STRAY, Simulation
from deployment_target import ports, version_of
from deployment_world import (
    make_cancel,
    make_configure,
    make_delete,
    make_deploy,
    make_pin,
    make_purge,
    make_redeploy,
    make_remove_alias,
    make_set_alias,
    make_start,
    make_stop,
    make_undelete,
)
from slipway_contracts.commands import AnyDeployerCommand
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.release import Strategy
from slipway_contracts.replica import ReplicaState
from slipway_contracts.size import Size
from slipway_contracts.traffic import RestoredRelease
from slipway_contracts.version import Version

ALIASES = ("live", "live", "live", "staging", "production")
VERSIONS = (1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
PORTLESS = tuple(each for each in VERSIONS if not ports(version_of(each)))
PORTED_ONLY = (1, *(each for each in VERSIONS if ports(version_of(each))))
STRATEGIES = ((Strategy.SURGE,), (Strategy.SURGE, Strategy.SURGE, Strategy.IN_PLACE))
MISHAPS = tuple(map(ReplicaState, ("exited", "exited", "unready", "unready", "blocked", "gone")))
FIRST_OF_ITS_OWN = 20


class Walk:
    """Steps that follow from one seed; it names only releases that ran, or that never existed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.simulation = Simulation()
        self.trail: list[str] = []
        self.waiting: list[AnyDeployerCommand] = []
        self.versions = self.random.choice((PORTLESS, PORTLESS, VERSIONS, PORTED_ONLY))
        self.strategies = self.random.choice(STRATEGIES)
        self.steps: tuple[tuple[int, Callable[[], None]], ...] = (
            (8, self.deploy),
            (2, self.deploy_beside),
            (2, self.deploy_a_build),
            (3, self.end_a_build),
            (5, self.set_alias),
            (1, self.set_alias_to_nothing_known),
            (1, self.deploy_beside_nothing_known),
            (2, self.remove_alias),
            (3, self.pin),
            (3, self.end),
            (3, self.start),
            (2, self.cancel),
            (2, self.configure),
            (8, self.take_wishes),
            (6, self.run_replicas),
            (4, self.change_replica),
            (10, self.say),
            (8, self.apply_gateway),
            (8, self.wait),
            (8, self.go_well),
            (1, self.fill_target),
            (1, self.lose_secrets),
            (2, self.disown),
            (1, self.revive),
            (2, self.say_again),
            (1, self.say_what_nobody_wants),
            (2, self.change_gateways),
        )

    def run(self, steps: int) -> None:
        self.simulation.send(make_deploy(version_of(1)))
        weights = [weight * self.random.choice((0.2, 1, 1, 3)) for weight, _ in self.steps]
        for _ in range(steps):
            _, step = self.random.choices(self.steps, weights)[0]
            self.trail.append(step.__name__)
            if self.waiting and self.random.random() < 0.4:
                self.flush()
            step()
        self.flush()
        self.simulation.calm_down()

    def send(self, command: AnyDeployerCommand) -> None:
        """Send it, or let it wait for the next one: both are decided together then."""
        self.trail.append(repr(command)[:400])
        self.waiting.append(command)
        if self.random.random() < 0.85:
            self.flush()

    def flush(self) -> None:
        waiting, self.waiting = self.waiting, []
        if waiting:
            self.simulation.send(*waiting)

    def version(self) -> Version:
        if self.random.random() < 0.25:
            return version_of(FIRST_OF_ITS_OWN + len(self.simulation.operations))
        return version_of(self.number())

    def number(self) -> int:
        return self.random.choice(self.versions)

    def config(self) -> dict[str, Any]:
        return {
            "replicas": self.random.choice((1, 1, 2, 3)),
            "strategy": self.random.choice(self.strategies),
            "size": self.random.choice((Size(), Size(), Size(cpu=2.0))),
            "restart": self.random.choice((0, 0, 1)),
            "deadline_seconds": self.random.choice((30, 300)),
        }

    def picked(self) -> tuple[int, tuple[RestoredRelease, ...]]:
        """Return a release, and what starts it again if it ran; half of the time one that is kept."""
        restorable = self.simulation.restorable()
        numbers = sorted(restorable)
        if self.random.random() < 0.5 or not numbers:
            numbers = [each.number for each in self.simulation.record.releases] or [1]
        number = self.random.choice(numbers)
        return number, (restorable[number],) if number in restorable else ()

    def deploy(self) -> None:
        version = self.version()
        if self.random.random() < 0.3:
            self.send(make_redeploy(version, **self.config()))
        else:
            self.send(make_deploy(version, alias=self.random.choice(ALIASES), **self.config()))

    def deploy_beside(self) -> None:
        other, restored = self.picked()
        weight = self.random.randint(1, 99)
        self.send(
            make_deploy(
                self.version(),
                alias=self.random.choice(ALIASES),
                weight=weight,
                beside={other: 100 - weight},
                restored=restored,
                **self.config(),
            )
        )

    def deploy_a_build(self) -> None:
        build = derived_id("random-build", len(self.simulation.operations))
        if self.simulation.builds and self.random.random() < 0.3:
            build = self.random.choice(sorted(self.simulation.builds))
        self.simulation.builds.setdefault(build, self.number())
        self.send(make_deploy(build=build, alias=self.random.choice(ALIASES)))

    def end_a_build(self) -> None:
        if self.simulation.canceled:
            self.simulation.cancel_build()
        for build in list(self.simulation.builds)[:1]:
            self.simulation.end_build(build, fails=self.random.random() < 0.3)

    def set_alias(self) -> None:
        (first, restored), (second, also_restored) = self.picked(), self.picked()
        weight = self.random.randint(1, 99)
        to = {first: weight, second: 100 - weight} if first != second else {first: 100}
        self.send(make_set_alias(self.random.choice(ALIASES), to, *restored, *also_restored))

    def set_alias_to_nothing_known(self) -> None:
        self.send(make_set_alias(self.random.choice(ALIASES), {self.random.randint(1, 40): 100}))

    def deploy_beside_nothing_known(self) -> None:
        self.send(make_deploy(version_of(1), weight=50, beside={1000: 50}))

    def remove_alias(self) -> None:
        self.send(make_remove_alias(self.random.choice(ALIASES)))

    def pin(self) -> None:
        number, restored = self.picked()
        self.send(make_pin(number, *restored, pinned=self.random.random() < 0.6))

    def end(self) -> None:
        versions = [version for version, _ in self.simulation.known.values()]
        command = self.random.choice(
            (
                make_stop(),
                make_stop(),
                make_delete(),
                make_delete(*versions),
                make_purge(*versions),
                make_undelete(),
            )
        )
        self.send(command)

    def start(self) -> None:
        desired = self.simulation.record
        if desired.wanted is Wanted.RUNNING:
            return
        routes = {
            route.alias: {share.release: share.weight for share in route.shares} for route in desired.parked
        }
        restorable = self.simulation.restorable()
        numbers = {number for to in routes.values() for number in to} | set(desired.pins)
        restored = tuple(restorable[number] for number in sorted(numbers) if number in restorable)
        routes.pop("live", None)
        self.send(make_start(self.version(), routes, restored))

    def cancel(self) -> None:
        self.send(make_cancel())

    def configure(self) -> None:
        name = self.random.choice((None, "numbers", "figures"))
        self.send(
            make_configure(
                name=name,
                rename_grace_seconds=self.random.choice((0, 20)),
                stop_deadline_seconds=self.random.choice((5, 300)),
            )
        )

    def take_wishes(self) -> None:
        self.simulation.take_wishes()

    def run_replicas(self) -> None:
        self.simulation.target.run()

    def change_replica(self) -> None:
        running = sorted(self.simulation.target.running)
        if running:
            state = self.random.choice(MISHAPS)
            self.simulation.target.change(self.random.choice(running), state)

    def say(self) -> None:
        self.simulation.say(self.random.choice((1, 2, 3, 100)))

    def say_again(self) -> None:
        known = sorted(self.simulation.world.facts)
        if known:
            self.simulation.say_again(self.random.choice(known))

    def say_what_nobody_wants(self) -> None:
        """Something runs that no record ever named."""
        self.simulation.target.change(STRAY, self.random.choice((ReplicaState.READY, ReplicaState.EXITED)))

    def revive(self) -> None:
        """A deployer that was late told the engine an old record."""
        target, named = self.simulation.target, self.simulation.record
        gone = [key for key in target.replicas if named.workload(key[0]) is None]
        if gone:
            target.change(self.random.choice(sorted(gone)), ReplicaState.STARTED)

    def disown(self) -> None:
        self.simulation.disown()

    def fill_target(self) -> None:
        target = self.simulation.target
        target.full = not target.full and self.random.random() < 0.5

    def lose_secrets(self) -> None:
        target = self.simulation.target
        target.without_secrets.clear()
        if self.simulation.record.workloads and self.random.random() < 0.7:
            lost = self.random.choice(self.simulation.record.workloads)
            target.without_secrets.add(lost.workload.id)

    def apply_gateway(self) -> None:
        self.simulation.apply_gateway(
            self.random.choice((0, 0, 1)), self.gateway(), held=self.random.random() < 0.1
        )

    def gateway(self) -> str:
        return self.random.choice(sorted(self.simulation.world.gateways) or ["one"])

    def change_gateways(self) -> None:
        if len(self.simulation.world.gateways) > 1 and self.random.random() < 0.3:
            self.simulation.forget_gateway(self.gateway())
        else:
            self.simulation.apply_gateway(0, self.random.choice(("one", "two")))

    def wait(self) -> None:
        self.simulation.wait(self.random.choice((0.5, 3, 12, 40, 400)))

    def go_well(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.simulation.take_wishes()
            self.simulation.target.run()
            self.simulation.say(100)
            for name in sorted(self.simulation.world.gateways) or ["one"]:
                self.simulation.apply_gateway(0, name)
