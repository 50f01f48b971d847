"""Events: past-tense facts, one each, with enough data to act without calling back."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.desired import TrafficShare
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.message import DeploymentMessage, Message
from slipway_contracts.names import (
    BuildId,
    Digest,
    EndpointName,
    GroupName,
    OperationId,
    TargetName,
    WorkloadId,
)
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.version import Version


class BuildStarted(DeploymentMessage):
    """A builder took the build; emitted by the builder, again when another builder takes over."""

    type: Literal["build.started.v1"] = "build.started.v1"
    build: BuildId
    source: Digest
    by: str
    deadline_at: AwareDatetime


class BuildStepStarted(DeploymentMessage):
    """A step of a build began; emitted by the builder."""

    type: Literal["build.step-started.v1"] = "build.step-started.v1"
    build: BuildId
    step: str


class BuildStepFinished(DeploymentMessage):
    """A step of a build ended well; emitted by the builder."""

    type: Literal["build.step-finished.v1"] = "build.step-finished.v1"
    build: BuildId
    step: str
    seconds: float = Field(ge=0)
    detail: str = Field(default="", description="What it did, as `reused layer sha256:…`.")


class BuildSucceeded(DeploymentMessage):
    """The build made a version; emitted by the builder."""

    type: Literal["build.succeeded.v1"] = "build.succeeded.v1"
    build: BuildId
    version: Version
    seconds: float = Field(ge=0)


class BuildFailed(DeploymentMessage):
    """The build ended without a version; emitted by the builder."""

    type: Literal["build.failed.v1"] = "build.failed.v1"
    build: BuildId
    failure: FailureRecord


class BuildCanceled(DeploymentMessage):
    """A user ended the build; emitted by the builder that took the command."""

    type: Literal["build.canceled.v1"] = "build.canceled.v1"
    build: BuildId
    by: str


class ReleaseCreated(DeploymentMessage):
    """A command became a release; emitted by the deployer."""

    type: Literal["release.created.v1"] = "release.created.v1"
    release: int
    operation: OperationId
    cause: Literal["deploy", "redeploy", "start"]
    version: Version | None = Field(default=None, description="None while its build runs.")
    build: BuildId | None = None
    config: ReleaseConfig
    by: str


class ReleaseStarting(DeploymentMessage):
    """Its replicas are wanted; emitted by the deployer."""

    type: Literal["release.starting.v1"] = "release.starting.v1"
    release: int
    version: Version
    workloads: dict[EndpointName, WorkloadId]
    deadline_at: AwareDatetime


class ReleaseReady(DeploymentMessage):
    """All its replicas were seen ready; emitted by the deployer."""

    type: Literal["release.ready.v1"] = "release.ready.v1"
    release: int


class ReleaseLive(DeploymentMessage):
    """The gateways send it its requests; emitted by the deployer."""

    type: Literal["release.live.v1"] = "release.live.v1"
    release: int
    seconds: float = Field(description="From its creation.")


class ReleaseDraining(DeploymentMessage):
    """It gets no new requests and finishes those it has; emitted by the deployer."""

    type: Literal["release.draining.v1"] = "release.draining.v1"
    release: int


class ReleaseRetired(DeploymentMessage):
    """Nothing needs it any more; emitted by the deployer."""

    type: Literal["release.retired.v1"] = "release.retired.v1"
    release: int


class ReleaseFailed(DeploymentMessage):
    """It ended before it got traffic; what served before still serves; emitted by the deployer."""

    type: Literal["release.failed.v1"] = "release.failed.v1"
    release: int
    failure: FailureRecord


class ReleaseSuperseded(DeploymentMessage):
    """A newer command ended it before it got traffic; emitted by the deployer."""

    type: Literal["release.superseded.v1"] = "release.superseded.v1"
    release: int
    by_operation: OperationId


class ReleaseCanceled(DeploymentMessage):
    """A user ended it before it got traffic; emitted by the deployer."""

    type: Literal["release.canceled.v1"] = "release.canceled.v1"
    release: int
    by: str


class TrafficShifted(DeploymentMessage):
    """Other releases are to get the requests from now on; emitted by the deployer."""

    type: Literal["traffic.shifted.v1"] = "traffic.shifted.v1"
    shares: tuple[TrafficShare, ...]


class DeploymentCreated(DeploymentMessage):
    """The first command of a deployment was decided; emitted by the deployer."""

    type: Literal["deployment.created.v1"] = "deployment.created.v1"
    by: str


class DeploymentEnded(DeploymentMessage):
    """No replica and no route is left after a stop or a delete; emitted by the deployer."""

    type: Literal["deployment.ended.v1"] = "deployment.ended.v1"
    wanted: Wanted


class _OperationEvent(DeploymentMessage):
    operation: OperationId


class OperationStarted(_OperationEvent):
    """A service works on the command; emitted by that service."""

    type: Literal["operation.started.v1"] = "operation.started.v1"


class OperationSucceeded(_OperationEvent):
    """The command has its effect; emitted by the service that decided it."""

    type: Literal["operation.succeeded.v1"] = "operation.succeeded.v1"


class OperationFailed(_OperationEvent):
    """The command ended without its effect; emitted by the service that decided it."""

    type: Literal["operation.failed.v1"] = "operation.failed.v1"
    failure: FailureRecord


class OperationSuperseded(_OperationEvent):
    """A newer command took its place; emitted by the service that decided it."""

    type: Literal["operation.superseded.v1"] = "operation.superseded.v1"
    by_operation: OperationId


class OperationCanceled(_OperationEvent):
    """A user ended it; emitted by the service that decided it."""

    type: Literal["operation.canceled.v1"] = "operation.canceled.v1"
    by: str


class MessageDead(DeploymentMessage):
    """A message could not be handled; it stays in the log; emitted by the service that gave up."""

    type: Literal["message.dead.v1"] = "message.dead.v1"
    service: str
    sequence: int
    message_id: str
    message_type: str
    deliveries: int
    error: str


class TargetAnnounced(Message):
    """A monitor took this target; emitted by the monitor with each new lease epoch."""

    type: Literal["target.announced.v1"] = "target.announced.v1"
    target: TargetName
    engine: Literal["supervisor", "docker", "kubernetes"]
    epoch: int
    cpu: float
    memory_bytes: int


class TargetLost(Message):
    """No monitor has held the lease of this target for too long; emitted by the deployer."""

    type: Literal["target.lost.v1"] = "target.lost.v1"
    target: TargetName
    since: AwareDatetime


class TargetFound(Message):
    """A monitor holds the lease of a lost target again; emitted by the deployer."""

    type: Literal["target.found.v1"] = "target.found.v1"
    target: TargetName


class GroupConfigured(Message):
    """The full new value of a group; emitted by the api."""

    type: Literal["group.configured.v1"] = "group.configured.v1"
    group: GroupName
    description: str = ""


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


BuildEnd = BuildSucceeded | BuildFailed | BuildCanceled
BuildEvent = BuildStarted | BuildStepStarted | BuildStepFinished | BuildEnd
ReleaseEvent = (
    ReleaseCreated
    | ReleaseStarting
    | ReleaseReady
    | ReleaseLive
    | ReleaseDraining
    | ReleaseRetired
    | ReleaseFailed
    | ReleaseSuperseded
    | ReleaseCanceled
)
OperationEvent = (
    OperationStarted | OperationSucceeded | OperationFailed | OperationSuperseded | OperationCanceled
)
DeploymentEvent = TrafficShifted | DeploymentCreated | DeploymentEnded | MessageDead
InstallationEvent = TargetAnnounced | TargetLost | TargetFound | GroupConfigured | KeyConfigured
Event = BuildEvent | ReleaseEvent | OperationEvent | DeploymentEvent | InstallationEvent
