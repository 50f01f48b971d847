"""Which rows a message touches, and the fold of each: the one table of the projection. Pure.

The projector folds into the tables with it, the api into memory: what it answers about the past is the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, get_args

from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import Build, Command, RemoveVersions
from slipway_contracts.desired import Desired
from slipway_contracts.events import (
    BuildEvent,
    BuildSucceeded,
    MessageDead,
    OperationEvent,
    ReleaseCreated,
    ReleaseEvent,
    ReleaseStarting,
    TrafficShifted,
    VersionHidden,
    VersionRemoved,
    WorkloadUnknown,
)
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GatewayRemoved,
    GroupConfigured,
    GroupEvent,
    InstallationEvent,
    InstanceTypeConfigured,
    KeyConfigured,
    LogSnapshotted,
    LogTruncated,
    NameClaimed,
    RequestRefused,
    SecretConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
    WebhookConfigured,
    WebhookDisabled,
)
from slipway_contracts.message import DeploymentMessage, Message
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged, WebhookRemoved

from slipway_store.folds import (
    aliases,
    builds,
    deployments,
    groups,
    installation,
    operations,
    releases,
    replicas,
)
from slipway_store.records import (
    ALIAS_CHANGE,
    ARTIFACT,
    BUILD,
    DEPLOYMENT,
    GROUP,
    INSTANCE_TYPE,
    KEY,
    METADATA,
    OPERATION,
    RELEASE,
    REPLICA,
    SECRET,
    TARGET,
    UNKNOWN_WORKLOAD,
    VERSION,
    Key,
    R,
    Record,
)
from slipway_store.rows import DeploymentRow
from slipway_store.told import Told


class Rows(Protocol):
    """The rows that messages are folded into, by record and key."""

    def get(self, record: Record[R], key: Key) -> R | None:
        """Return a row; None where there is none."""

    def put(self, record: Record[R], key: Key, row: R) -> None:
        """Replace the row of a key."""

    def erase_history(self, group: str, deployment: str, *, before: int) -> None:
        """Forget the history of a deployment up to a position; see `records.HISTORY`."""

    def deployments_on(self, target: str) -> list[tuple[Key, DeploymentRow]]:
        """Return the deployments of a target by their keys."""


class Touch(NamedTuple):
    """One row that a message may change; `fold` maps the row before, if any, to the row after, if any."""

    record: Record[Any]
    key: Key
    fold: Callable[[Any], Any]


def touches(logged: Told) -> Sequence[Touch]:
    """Return the rows that a message may change, deployments aside."""
    told = _TOUCHES.get(type(logged.message))
    return tuple(told(logged.message, logged)) if told is not None else ()


def _by_command(command: Command, logged: Told) -> Iterator[Touch]:
    key = (logged.id,)
    yield Touch(OPERATION, key, partial(operations.accepted, command=command, logged=logged))
    if isinstance(command, Build):
        yield Touch(BUILD, key, partial(builds.accepted, command=command, logged=logged))


def _by_build_event(event: BuildEvent, logged: Told) -> Iterator[Touch]:
    yield Touch(BUILD, (event.build,), partial(builds.fold, event=event, logged=logged))
    if isinstance(event, BuildSucceeded):
        yield Touch(VERSION, (event.version.id,), partial(builds.version, event=event, logged=logged))


def _by_release_event(event: ReleaseEvent, logged: Told) -> Iterator[Touch]:
    key = (event.group, event.deployment, event.release)
    yield Touch(RELEASE, key, partial(releases.fold, event=event, logged=logged))
    if isinstance(event, ReleaseCreated):
        released = partial(operations.released, event=event, logged=logged)
        yield Touch(OPERATION, (event.operation,), released)
    if isinstance(event, ReleaseStarting):
        used = partial(builds.version_changed, event=event, logged=logged)
        yield Touch(VERSION, (event.version.id,), used)


def _by_operation_event(event: OperationEvent, logged: Told) -> Iterator[Touch]:
    yield Touch(OPERATION, (event.operation,), partial(operations.fold, event=event, logged=logged))


def _by_dead_message(event: MessageDead, logged: Told) -> Iterator[Touch]:
    yield Touch(OPERATION, (event.message_id,), partial(operations.given_up, event=event, logged=logged))


def _by_version_event(event: VersionRemoved | VersionHidden, logged: Told) -> Iterator[Touch]:
    yield Touch(VERSION, (event.version,), partial(builds.version_changed, event=event, logged=logged))


def _by_observation(message: ReplicaFact | WorkloadUnknown, logged: Told) -> Iterator[Touch]:
    workload = (message.group, message.deployment, message.workload)
    if isinstance(message, ReplicaFact):
        yield Touch(
            REPLICA, (*workload, message.replica), partial(replicas.fold, fact=message, logged=logged)
        )
        if message.state is not ReplicaState.GONE:
            return
    yield Touch(UNKNOWN_WORKLOAD, workload, partial(replicas.unknown, message=message, logged=logged))


def _by_group_event(event: GroupEvent, logged: Told) -> Iterator[Touch]:
    match event:
        case GroupConfigured():
            yield Touch(GROUP, (event.group,), partial(groups.group, event=event, logged=logged))
        case SecretConfigured():
            key = (event.group, event.secret)
            yield Touch(SECRET, key, partial(groups.secret, event=event, logged=logged))
        case ArtifactAdopted() | ArtifactHidden():
            key = (event.group, event.digest)
            yield Touch(ARTIFACT, key, partial(groups.artifact, event=event, logged=logged))
        case NameClaimed():
            pass  # The last message of its subject is the truth of it.
        case ArtifactUploaded():
            pass  # The audit reads the messages themselves.


def _by_installation_event(event: InstallationEvent, logged: Told) -> Iterator[Touch]:
    match event:
        case TargetAnnounced() | TargetLost() | TargetFound():
            yield Touch(TARGET, (event.target,), partial(installation.target, event=event, logged=logged))
        case InstanceTypeConfigured():
            configured = partial(installation.instance_type, event=event, logged=logged)
            yield Touch(INSTANCE_TYPE, (event.name,), configured)
        case KeyConfigured():
            yield Touch(KEY, (event.key,), partial(installation.key, event=event, logged=logged))
        case WebhookConfigured() | WebhookDisabled() | WebhookRemoved() | WebhookPinged() | WebhookAnswered():
            pass  # Those who need them read the messages themselves.
        case RequestRefused() | GatewayRemoved() | LogSnapshotted() | LogTruncated():
            pass  # The audit reads the messages themselves.


def _nothing(_message: Message, _logged: Told) -> Iterator[Touch]:
    return iter(())


_TOUCHES: Final[Mapping[type, Callable[[Any, Told], Iterator[Touch]]]] = {
    **dict.fromkeys(get_args(Command), _by_command),
    # No user asked: what came of it is said of each version.
    RemoveVersions: _nothing,
    **dict.fromkeys(get_args(BuildEvent), _by_build_event),
    **dict.fromkeys(get_args(ReleaseEvent), _by_release_event),
    **dict.fromkeys(get_args(OperationEvent), _by_operation_event),
    MessageDead: _by_dead_message,
    **dict.fromkeys((VersionRemoved, VersionHidden), _by_version_event),
    **dict.fromkeys((ReplicaFact, WorkloadUnknown), _by_observation),
    **dict.fromkeys(get_args(GroupEvent), _by_group_event),
    **dict.fromkeys(get_args(InstallationEvent), _by_installation_event),
}


def keys(logged: Told, touched: Sequence[Touch]) -> Iterator[tuple[Record[Any], Key]]:
    """Return the keys of all rows that must be in the working rows before this message is folded.

    The deployments of a target that was lost or found are found by the target's name instead.
    """
    if isinstance(logged.message, DeploymentMessage):
        yield DEPLOYMENT, (logged.message.group, logged.message.deployment)
    if type(logged.message) is TrafficShifted and logged.correlation_id is not None:
        yield OPERATION, (logged.correlation_id,)
    for touch in touched:
        yield touch.record, touch.key


def fold(rows: Rows, logged: Told, touched: Sequence[Touch]) -> None:
    """Fold one message into the working rows."""
    match logged.message:
        case DeploymentMessage() as message:
            _fold_deployment(rows, (message.group, message.deployment), message, logged, touched)
        case TargetLost() | TargetFound() as event:
            _apply(rows, touched)
            for key, deployment in rows.deployments_on(event.target):
                rows.put(DEPLOYMENT, key, deployments.watch(deployment, event, logged))
        case _:
            _apply(rows, touched)


def _apply(rows: Rows, touched: Sequence[Touch]) -> None:
    for touch in touched:
        before = rows.get(touch.record, touch.key)
        after = touch.fold(before)
        if after is not None and after is not before:
            rows.put(touch.record, touch.key, after)


def _fold_deployment(
    rows: Rows, key: tuple[str, str], message: AnyMessage, logged: Told, touched: Sequence[Touch]
) -> None:
    before = rows.get(DEPLOYMENT, key)
    # The last words of replicas that go with a purge come after it, and would stay for ever.
    if not (type(message) is ReplicaFact and deployments.purged(before)):
        _apply(rows, touched)
    if type(message) is TrafficShifted:
        _note_alias(rows, message, logged)
    row = deployments.fold(before, message, logged)
    if row is not None and row is not before:
        rows.put(DEPLOYMENT, key, row)
        for pair in deployments.metadata(before, row, logged):
            rows.put(METADATA, (*key, pair.key), pair)
    if type(message) is Desired and deployments.purged(row) and not deployments.purged(before):
        rows.erase_history(*key, before=message.position)


def _note_alias(rows: Rows, event: TrafficShifted, logged: Told) -> None:
    operation = rows.get(OPERATION, (logged.correlation_id,)) if logged.correlation_id else None
    key = (event.group, event.deployment, event.alias, logged.sequence)
    rows.put(ALIAS_CHANGE, key, aliases.changed(event, operation, logged))
