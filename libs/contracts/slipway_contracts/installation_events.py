"""Events of groups and of the installation: names, secrets, artifacts, webhooks and the rest."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.message import Message
from slipway_contracts.names import (
    DeploymentId,
    Digest,
    GroupName,
    InstanceTypeName,
    Name,
    OperationId,
    SecretName,
    TargetName,
)
from slipway_contracts.size import Size
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged, WebhookRemoved


class TargetAnnounced(Message):
    """A monitor took this target; emitted by the monitor with each new lease epoch."""

    type: Literal["target.announced.v1"] = "target.announced.v1"
    target: TargetName
    engine: Literal["supervisor", "docker", "kubernetes"]
    epoch: int
    cpu: float = Field(description="Cores that it has.")
    memory_bytes: int
    gpu: int = 0
    allocatable_cpu: float | None = Field(
        default=None, description="Cores that replicas may ask for in all; None: as many as it has."
    )
    allocatable_memory_bytes: int | None = None


class TargetLost(Message):
    """No monitor has held the lease of this target for too long; emitted by the deployer."""

    type: Literal["target.lost.v1"] = "target.lost.v1"
    target: TargetName
    since: AwareDatetime


class TargetFound(Message):
    """A monitor holds the lease of a lost target again; emitted by the deployer."""

    type: Literal["target.found.v1"] = "target.found.v1"
    target: TargetName


class Member(BaseModel):
    """A user and what the user may do in a group, whichever key is used."""

    model_config = ConfigDict(frozen=True)

    user: str
    role: Literal["viewer", "deployer", "admin"]


class Quota(BaseModel):
    """The most that the deployments of a group may hold together; None: no limit."""

    model_config = ConfigDict(frozen=True)

    deployments: int | None = Field(default=None, ge=0)
    replicas: int | None = Field(default=None, ge=0)
    cpu: float | None = Field(default=None, ge=0, description="Cores.")
    memory_bytes: int | None = Field(default=None, ge=0)
    gpu: int | None = Field(default=None, ge=0)


class GroupConfigured(Message):
    """The full new value of a group; emitted by the api."""

    type: Literal["group.configured.v1"] = "group.configured.v1"
    group: GroupName
    description: str = ""
    deployments_enabled: bool = Field(default=True, description="Whether it may deploy at all.")
    quota: Quota = Quota()
    members: tuple[Member, ...] = ()


class NameClaimed(Message):
    """A name in the URL paths of a group belongs to this deployment; emitted by the api with the command.

    The last message of its subject holds; a name that its deployment no longer uses may be claimed anew.
    """

    type: Literal["name.claimed.v1"] = "name.claimed.v1"
    group: GroupName
    name: Name
    deployment: DeploymentId


class SecretConfigured(Message):
    """A group's secret got a new version, or was removed with all of them; emitted by the api.

    The value is in no message.
    """

    type: Literal["secret.configured.v1"] = "secret.configured.v1"
    group: GroupName
    secret: SecretName
    version: int = Field(ge=1, description="The newest.")
    removed: bool = False
    by: str


class ArtifactUploaded(Message):
    """The bytes of an artifact were sent to the group, for the first time or again; emitted by the api."""

    type: Literal["artifact.uploaded.v1"] = "artifact.uploaded.v1"
    group: GroupName
    digest: Digest
    size_bytes: int = Field(ge=0)
    stored: bool = Field(default=True, description="False: the same bytes were there already.")
    by: str


class ArtifactAdopted(Message):
    """A file that was placed in storage by hand is an artifact of the group now; emitted by the api."""

    type: Literal["artifact.adopted.v1"] = "artifact.adopted.v1"
    group: GroupName
    digest: Digest
    name: str
    size_bytes: int = Field(ge=0)
    by: str


class ArtifactHidden(Message):
    """An artifact is kept, but neither listed nor used any more; or it is again; emitted by the api."""

    type: Literal["artifact.hidden.v1"] = "artifact.hidden.v1"
    group: GroupName
    digest: Digest
    hidden: bool
    by: str


class InstanceTypeConfigured(Message):
    """The full new value of an instance type; emitted by the api."""

    type: Literal["instance-type.configured.v1"] = "instance-type.configured.v1"
    name: InstanceTypeName
    description: str = ""
    size: Size
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    removed: bool = False
    by: str


class RoleGrant(BaseModel):
    """A role in one group, or in all of them."""

    model_config = ConfigDict(frozen=True)

    group: GroupName | Literal["*"]
    role: Literal["viewer", "deployer", "admin"]


class KeyConfigured(Message):
    """The full new value of an API key, without the key; emitted by the api."""

    type: Literal["key.configured.v1"] = "key.configured.v1"
    key: OperationId
    digest: Digest = Field(description="SHA-256 of the key, which has 256 random bits.")
    user: str
    grants: tuple[RoleGrant, ...]
    revoked: bool = False


class GatewayRemoved(Message):
    """A gateway is gone for good, with its Envoy: nothing waits for it any more; emitted by the api."""

    type: Literal["gateway.removed.v1"] = "gateway.removed.v1"
    gateway: str
    applied: int = Field(ge=0, description="Sequence of the log that it had applied.")
    heard_at: AwareDatetime = Field(description="When it was last heard of.")
    by: str


class LogSnapshotted(Message):
    """The blob store has all that follows from the log up to a sequence; emitted by the projector's command.

    It was read back from there, and compared row by row, before this was said.
    """

    type: Literal["log.snapshotted.v1"] = "log.snapshotted.v1"
    sequence: int = Field(ge=1, description="Of the last message that is in it.")
    digest: Digest = Field(description="Of its manifest in the blob store.")
    rows: int = Field(ge=1)
    size_bytes: int = Field(ge=1)
    by: str = Field(description="The account of the operating system.")


class LogTruncated(Message):
    """The log is no longer whole before a sequence; emitted by the projector's command, before any goes.

    What others still need stays there: the last message of each subject, and all that is not yet ended.
    """

    type: Literal["log.truncated.v1"] = "log.truncated.v1"
    before: int = Field(ge=2, description="From this sequence on the log is whole.")
    snapshot: Digest = Field(description="Manifest of a snapshot that holds all that goes.")
    snapshot_sequence: int = Field(ge=1)
    messages: int = Field(ge=0, description="How many go.")
    by: str = Field(description="The account of the operating system.")


class RequestRefused(Message):
    """A request for a change was answered with an error; emitted by the api, for the audit.

    Like requests that follow each other within a minute are told once, when they end, with their count.
    """

    type: Literal["request.refused.v1"] = "request.refused.v1"
    group: GroupName | None = Field(default=None, description="That it was about.")
    deployment: DeploymentId | None = None
    method: str
    route: str = Field(description="Of the API's description, as `/v1/groups/{group}`; never with values.")
    status: int = Field(ge=400, le=599)
    reason: str = Field(description="Of the problem document.")
    message: str = Field(default="", description="Its `detail`, cut to 500 characters.")
    count: int = Field(default=1, ge=1)
    untold: int = Field(
        default=0, ge=0, description="Of other kinds, since the message before: too many to be told."
    )
    others: int = Field(
        default=0,
        ge=0,
        description="Of other kinds, but of the same user, or of the same network where nobody is known: too "
        "many to be told each. This one is the last of them.",
    )
    outcome: Literal["refused", "unknown", "partial"] = Field(
        default="refused",
        description="`refused`: the log took nothing of it. `unknown`: the log did not confirm what it was "
        "given, and may have it. `partial`: the log has some of it, or all.",
    )
    unconfirmed: OperationId | None = Field(
        default=None, description="Id of the message, for a command also of its operation, that it may have."
    )
    dry_run: bool = False


class WebhookConfigured(Message):
    """The full new value of a webhook, without its secret; emitted by the api."""

    type: Literal["webhook.configured.v1"] = "webhook.configured.v1"
    group: GroupName | None = Field(description="Whose events it gets; None: all of the installation.")
    webhook: OperationId
    url: str
    description: str = ""
    types: tuple[str, ...] = Field(
        default=(),
        description="Begin of the wanted types, cut at dots; empty: all but `desired` and `request.refused`.",
    )
    deployment: DeploymentId | None = Field(default=None, description="Only its events; None: all.")
    format: Literal["cloudevents", "cdevents"] = "cloudevents"
    secret: int = Field(ge=1, description="Version of the secret that signs.")
    former_secret: int | None = Field(default=None, description="Version that signs as well, for a while.")
    former_until: AwareDatetime | None = None
    after: int | None = Field(
        default=None,
        ge=0,
        description="Deliver from behind this sequence of the log on. None: go on; where nothing was "
        "delivered before, from behind this message.",
    )
    disabled: bool = False
    removed: bool = False
    by: str


class WebhookDisabled(Message):
    """Nothing is sent to a webhook until it is configured again; emitted by the notifier."""

    type: Literal["webhook.disabled.v1"] = "webhook.disabled.v1"
    group: GroupName | None
    webhook: OperationId
    revision: int = Field(description="Sequence of the configuration that was in force; a later prevails.")
    reason: Literal["gone", "failing"] = Field(
        description="`failing`: nothing was taken for too long. `gone`: said before 410 removed webhooks."
    )
    message: str = Field(default="", description="What the matter was; never the receiver's host or URL.")
    position: int = Field(ge=0, description="Everything up to this sequence was delivered.")


GroupEvent = (
    GroupConfigured | NameClaimed | SecretConfigured | ArtifactUploaded | ArtifactAdopted | ArtifactHidden
)
InstallationEvent = (
    TargetAnnounced
    | TargetLost
    | TargetFound
    | InstanceTypeConfigured
    | KeyConfigured
    | GatewayRemoved
    | LogSnapshotted
    | LogTruncated
    | RequestRefused
    | WebhookConfigured
    | WebhookDisabled
    | WebhookRemoved
    | WebhookPinged
    | WebhookAnswered
)
