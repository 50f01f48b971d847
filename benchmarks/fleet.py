"""Messages as a fleet of deployments says them: each is built and deployed again and again.

One deploy is a build with its steps, commands, decisions, what becomes of release and operation, and the
facts of the replicas: those that come, those that go, one that exits and comes back. A seed gives the same
log again.
"""

import random
from collections.abc import Iterator
from itertools import islice
from typing import Final

from log_script import Script
from slipway_chassis.event_log import Outgoing
from slipway_contracts.commands import Configure
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.events import (
    OperationStarted,
    OperationSucceeded,
    ReleaseDraining,
    ReleaseLive,
    ReleaseReady,
    ReleaseRetired,
)
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaState
from slipway_contracts.traffic import TrafficShare

ACTIVE: Final = 100
"""Deployments at work at a time: each next message is of any of them."""


class Member(Script):
    """One deployment of the fleet."""

    def lead_life(self) -> Iterator[Outgoing]:
        """Return its messages, without end."""
        self.say(Configure(**self.asker, settings=_settings(self.deployment)))
        release = 0
        while True:
            release += 1
            self.built(release)
            self.release(release)
            yield from self.messages[self.written :]
            self.written = len(self.messages)

    def release(self, number: int) -> None:
        """Say what a deploy that goes well says, and what happens to its replica and to that before."""
        operation = self.deploy(number)
        self.say(OperationStarted(**self.owner, operation=operation))
        self.created(operation, number)
        self.desired(operation, number, ReleaseState.STARTING)
        self.starting(number)
        self.replica(ReplicaState.STARTED, 1, number, pid=7)
        self.replica(ReplicaState.READY, 2, number, pid=7, address="127.0.0.1:9000")
        self.say(ReleaseReady(**self.owner, release=number))
        self.desired(operation, number, ReleaseState.READY)
        self.shifted(operation, TrafficShare(release=number, weight=100))
        self.desired(operation, number, ReleaseState.LIVE)
        self.say(ReleaseLive(**self.owner, release=number, seconds=1.5))
        self.say(OperationSucceeded(**self.owner, operation=operation))
        if number > 1:
            self.say(ReleaseDraining(**self.owner, release=number - 1))
            self.replica(ReplicaState.GONE, 6, number - 1)
            self.desired(operation, number, ReleaseState.LIVE)
            self.say(ReleaseRetired(**self.owner, release=number - 1))
        self.replica(ReplicaState.EXITED, 3, number, exit_code=1, log_tail=("Traceback", "KeyError: 'x'"))
        self.replica(ReplicaState.STARTED, 4, number, pid=8)
        self.replica(ReplicaState.READY, 5, number, pid=8, address="127.0.0.1:9001")


def messages(count: int, *, deployments: int, seed: int = 1) -> list[Outgoing]:
    """Return the first messages of a fleet, in the order of its log."""
    return list(islice(_mixed(deployments, random.Random(seed)), count))  # noqa: S311


def _mixed(deployments: int, chance: random.Random) -> Iterator[Outgoing]:
    lives = [Member(deployment=f"model-{number:04}").lead_life() for number in range(deployments)]
    active = lives[:ACTIVE]
    turn = 0
    while True:
        place = chance.randrange(len(active))
        yield next(active[place])
        turn += 1
        if turn % 30 == 0:
            active[chance.randrange(len(active))] = chance.choice(lives)


def _settings(deployment: str) -> DeploymentSettings:
    return DeploymentSettings(
        description=f"scores what {deployment} is asked for", metadata={"team": "blue", "tier": "gold"}
    )
