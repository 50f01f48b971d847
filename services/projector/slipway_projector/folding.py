"""Which rows a message touches, and the fold of each: the one table of the projection. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from slipway_contracts.commands import Build, Command
from slipway_contracts.events import (
    BuildEvent,
    BuildSucceeded,
    GroupConfigured,
    InstallationEvent,
    KeyConfigured,
    OperationEvent,
    ReleaseCreated,
    ReleaseEvent,
    TargetAnnounced,
    TargetFound,
    TargetLost,
)
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.replica import ReplicaFact
from slipway_store.records import (
    BUILD,
    DEPLOYMENT,
    GROUP,
    KEY,
    OPERATION,
    RELEASE,
    REPLICA,
    TARGET,
    VERSION,
    Key,
    Record,
)

from slipway_projector.folds import builds, deployments, installation, operations, releases, replicas
from slipway_projector.logged import Logged
from slipway_projector.working_rows import WorkingRows


@dataclass(frozen=True, slots=True)
class Touch:
    """One row that a message may change; `fold` maps the row before, if any, to the row after, if any."""

    record: Record[Any]
    key: Key
    fold: Callable[[Any], Any]


def touches(logged: Logged) -> Sequence[Touch]:
    """Return the rows that a message may change, deployments aside."""
    return tuple(_touches(logged))


def _touches(logged: Logged) -> Iterator[Touch]:
    match logged.message:
        case message if isinstance(message, Command):
            yield from _by_command(message, logged)
        case message if isinstance(message, BuildEvent):
            yield Touch(BUILD, (message.build,), partial(builds.fold, event=message, logged=logged))
            if isinstance(message, BuildSucceeded):
                made = partial(builds.version, event=message, logged=logged)
                yield Touch(VERSION, (message.version.id,), made)
        case message if isinstance(message, ReleaseEvent):
            yield from _by_release_event(message, logged)
        case message if isinstance(message, OperationEvent):
            ended = partial(operations.fold, event=message, logged=logged)
            yield Touch(OPERATION, (message.operation,), ended)
        case ReplicaFact() as fact:
            key = (fact.group, fact.deployment, fact.workload, fact.replica)
            yield Touch(REPLICA, key, partial(replicas.fold, fact=fact, logged=logged))
        case message if isinstance(message, InstallationEvent):
            yield _by_installation_event(message, logged)
        case _:
            pass


def _by_command(command: Command, logged: Logged) -> Iterator[Touch]:
    key = (logged.id,)
    yield Touch(OPERATION, key, partial(operations.accepted, command=command, logged=logged))
    if isinstance(command, Build):
        yield Touch(BUILD, key, partial(builds.accepted, command=command, logged=logged))


def _by_release_event(event: ReleaseEvent, logged: Logged) -> Iterator[Touch]:
    key = (event.group, event.deployment, event.release)
    yield Touch(RELEASE, key, partial(releases.fold, event=event, logged=logged))
    if isinstance(event, ReleaseCreated):
        released = partial(operations.released, event=event, logged=logged)
        yield Touch(OPERATION, (event.operation,), released)


def _by_installation_event(event: InstallationEvent, logged: Logged) -> Touch:
    match event:
        case TargetAnnounced() | TargetLost() | TargetFound():
            return Touch(TARGET, (event.target,), partial(installation.target, event=event, logged=logged))
        case GroupConfigured():
            return Touch(GROUP, (event.group,), partial(installation.group, event=event, logged=logged))
        case KeyConfigured():
            return Touch(KEY, (event.key,), partial(installation.key, event=event, logged=logged))


def keys(logged: Logged, touched: Sequence[Touch]) -> Iterator[tuple[Record[Any], Key]]:
    """Return the keys of all rows that must be in the working rows before this message is folded.

    The deployments of a target that was lost or found are found by the target's name instead.
    """
    if isinstance(logged.message, DeploymentMessage):
        yield DEPLOYMENT, (logged.message.group, logged.message.deployment)
    for touch in touched:
        yield touch.record, touch.key


def fold(rows: WorkingRows, logged: Logged, touched: Sequence[Touch]) -> None:
    """Fold one message into the working rows."""
    for touch in touched:
        before = rows.get(touch.record, touch.key)
        after = touch.fold(before)
        if after is not None and after is not before:
            rows.put(touch.record, touch.key, after)
    match logged.message:
        case TargetLost() | TargetFound() as event:
            for key, deployment in rows.deployments_on(event.target):
                rows.put(DEPLOYMENT, key, deployments.watch(deployment, event, logged))
        case message if isinstance(message, DeploymentMessage):
            key = (message.group, message.deployment)
            row = deployments.fold(rows.get(DEPLOYMENT, key), message, logged)
            if row is not None:
                rows.put(DEPLOYMENT, key, row)
        case _:
            pass
