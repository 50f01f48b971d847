"""Subjects of the log: tenant first, so that one permission or subscription covers a group or a deployment.

    slipway.<group>.<deployment>.cmd.<service>.<verb>
    slipway.<group>.<deployment>.evt.<noun>.<verb>
    slipway.<group>.<deployment>.desired
    slipway.<group>.<deployment>.replica.<workload>.<replica>
    slipway.<group>.<deployment>.log.<build|workload>.<build id|workload id>.<replica>

`_` stands for "no group" and "no deployment"; no name can be `_`. What a stream has stored is told once
more, for those who only listen:

    told.slipway.<group>.<deployment>.…
"""

from typing import Final

from slipway_contracts.commands import (
    Build,
    CancelBuild,
    Command,
    RemoveVersions,
)
from slipway_contracts.desired import Desired
from slipway_contracts.events import Event
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GroupConfigured,
    NameClaimed,
    RequestRefused,
    SecretConfigured,
    WebhookConfigured,
    WebhookDisabled,
)
from slipway_contracts.message import DeploymentMessage, Message
from slipway_contracts.names import ILL_NAMED, is_name
from slipway_contracts.replica import ReplicaFact
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged, WebhookRemoved

NONE: Final = "_"
ALL: Final = "slipway.>"
ALL_DESIRED: Final = "slipway.*.*.desired"
ALL_REPLICAS: Final = "slipway.*.*.replica.>"
ALL_BUILD_STARTS: Final = "slipway.*.*.evt.build.started"
ALL_BUILD_CANCELS: Final = "slipway.*.*.evt.build.canceled"
ALL_BUILD_ENDS: Final = ("slipway.*.*.evt.build.succeeded", "slipway.*.*.evt.build.failed", ALL_BUILD_CANCELS)
ALL_REMOVAL_COMMANDS: Final = "slipway.*.*.cmd.builder.remove"
ALL_REMOVED_VERSIONS: Final = "slipway.*.*.evt.version.removed"
INSTALLATION_EVENTS: Final = "slipway.*._.evt.>"
ADOPTED_ARTIFACTS: Final = "slipway.*._.evt.artifact.adopted"
TARGET_EVENTS: Final = "slipway._._.evt.target.*"
WEBHOOK_EVENTS: Final = "slipway.*._.evt.webhook.*"
LOG_SNAPSHOTS: Final = "slipway._._.evt.log.snapshotted"
LOG_TRUNCATIONS: Final = "slipway._._.evt.log.truncated"


def of(message: Command | Event | Desired | ReplicaFact) -> str:
    """Return the subject on which this message is published."""
    match message:
        case Desired():
            return desired(message.group, message.deployment)
        case ReplicaFact():
            return replica(message.group, message.deployment, message.workload, message.replica)
        case Build():
            return build_commands(message.group, message.deployment)
        case CancelBuild():
            return f"slipway.{message.group}.{message.deployment}.cmd.builder.cancel"
        case RemoveVersions():
            return f"slipway.{message.group}.{message.deployment}.cmd.builder.remove"
        case DeploymentMessage() if message.type.startswith("command."):
            return f"slipway.{message.group}.{message.deployment}.cmd.deployer.{message.type.split('.')[1]}"
        case DeploymentMessage():
            return _event(f"{message.group}.{message.deployment}", message)
        case NameClaimed():
            return name_claim(message.group, message.name)
        case (
            GroupConfigured()
            | SecretConfigured()
            | ArtifactAdopted()
            | ArtifactHidden()
            | ArtifactUploaded()
            | RequestRefused()
            | WebhookConfigured()
            | WebhookDisabled()
            | WebhookRemoved()
            | WebhookPinged()
            | WebhookAnswered()
        ):
            return _event(f"{message.group or NONE}.{NONE}", message)
        case _:
            return _event(f"{NONE}.{NONE}", message)


def _event(owner: str, message: Message) -> str:
    noun, verb, _version = message.type.split(".")
    return f"slipway.{owner}.evt.{noun}.{verb}"


def deployment(group: str, identifier: str) -> str:
    """Return the filter of everything of one deployment."""
    return f"slipway.{group}.{identifier}.>"


def desired(group: str, identifier: str) -> str:
    """Return the subject of a deployment's desired state."""
    return f"slipway.{group}.{identifier}.desired"


def is_desired(subject: str) -> bool:
    """Return whether desired records have this subject."""
    return subject.endswith(".desired")


def replica(group: str, identifier: str, workload: str, replica_id: str) -> str:
    """Return the subject of a replica's facts."""
    return f"slipway.{group}.{identifier}.replica.{workload}.{replica_id}"


def replicas(group: str, identifier: str) -> str:
    """Return the filter of all replica facts of a deployment."""
    return f"slipway.{group}.{identifier}.replica.>"


def deployer_commands(group: str, identifier: str) -> str:
    """Return the filter of a deployment's commands; its last sequence is the deployment's ETag."""
    return f"slipway.{group}.{identifier}.cmd.deployer.>"


def name_claim(group: str, name: str) -> str:
    """Return the subject whose last message says to whom a name in a group's URL paths belongs."""
    return f"slipway.{group}.{NONE}.evt.name.{name}"


def group_events(group: str | None, noun: str) -> str:
    """Return the filter of what is configured about this noun, as `secret`, in a group or in none."""
    return f"slipway.{group or NONE}.{NONE}.evt.{noun}.*"


def build_commands(group: str, identifier: str) -> str:
    """Return the subject on which builds of a deployment are asked for; a command's id is its build's."""
    return f"slipway.{group}.{identifier}.cmd.builder.build"


def build_events(group: str, identifier: str) -> str:
    """Return the filter of the events of all builds of a deployment."""
    return f"slipway.{group}.{identifier}.evt.build.>"


def message_events(group: str, identifier: str) -> str:
    """Return the filter of what is said of messages of a deployment that were given up."""
    return f"slipway.{group}.{identifier}.evt.message.*"


def dead_messages(group: str, identifier: str) -> str:
    """Return the subject on which services say which messages of a deployment they gave up."""
    return f"slipway.{group}.{identifier}.evt.message.dead"


def failed_operations(group: str, identifier: str) -> str:
    """Return the subject on which commands of a deployment end without their effect."""
    return f"slipway.{group}.{identifier}.evt.operation.failed"


def operation_events(group: str, identifier: str) -> str:
    """Return the filter of what becomes of the commands of a deployment."""
    return f"slipway.{group}.{identifier}.evt.operation.*"


def successful_builds(group: str, identifier: str) -> str:
    """Return the subject on which builds of a deployment end with a version."""
    return f"slipway.{group}.{identifier}.evt.build.succeeded"


def build_ends(group: str, identifier: str) -> tuple[str, ...]:
    """Return the subjects on which builds of a deployment end."""
    verbs = ("succeeded", "failed", "canceled")
    return tuple(f"slipway.{group}.{identifier}.evt.build.{verb}" for verb in verbs)


def build_log(group: str, identifier: str, build: str) -> str:
    """Return the subject of a build's log lines."""
    return f"slipway.{group}.{identifier}.log.build.{build}"


def replica_log(group: str, identifier: str, workload: str, replica_id: str) -> str:
    """Return the subject of a replica's log lines."""
    return f"slipway.{group}.{identifier}.log.workload.{workload}.{replica_id}"


def told(subject: str) -> str:
    """Return where those who only listen hear what was stored on this subject, or on those of this filter.

    Only the server publishes there, after the fact: in the order of the log, never what the log refused.
    """
    return f"told.{subject}"


def owner_of(subject: str) -> tuple[str, str]:
    """Return (group, deployment) of a subject of the log."""
    _, group, identifier, *_rest = subject.split(".")
    return group, identifier


def dead_owner_of(subject: str) -> tuple[str, str]:
    """Return (group, deployment) under which it is told that a message is dead.

    Its own, each `ill-named` where it is no name: nothing could be told of that, and the message would come
    again for ever.
    """
    group, identifier = owner_of(subject)
    return group if is_name(group) else ILL_NAMED, identifier if is_name(identifier) else ILL_NAMED
