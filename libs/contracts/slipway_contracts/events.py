"""Events: past-tense facts, one each, with enough data to act without calling back.

Those of groups and of the installation are in `installation_events`.
"""

from typing import Literal

from pydantic import AwareDatetime, Field

from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.failure import FailureRecord
from slipway_contracts.installation_events import GroupEvent, InstallationEvent
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import (
    AliasName,
    BuildId,
    Digest,
    EndpointName,
    Label,
    OperationId,
    TargetName,
    VersionId,
    WorkloadId,
)
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import LIVE_ALIAS, Serving, TrafficShare
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
    cause: Literal["deploy", "redeploy", "start", "restart", "scale", "update", "rollback"]
    version: Version | None = Field(default=None, description="None while its build runs.")
    build: BuildId | None = None
    config: ReleaseConfig
    alias: AliasName = LIVE_ALIAS
    copy_of: int | None = Field(default=None, description="Release of which it is an exact copy.")
    by: str


class ReleaseStarting(DeploymentMessage):
    """Its replicas are wanted; emitted by the deployer, again when a retired release is started again."""

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
    serving: Serving | None = Field(
        default=None, description="The alias whose requests it got, where most of them are its own."
    )


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


class ReleasePinned(DeploymentMessage):
    """It runs on although no alias names it, or no longer; emitted by the deployer."""

    type: Literal["release.pinned.v1"] = "release.pinned.v1"
    release: int
    pinned: bool
    by: str


class TrafficShifted(DeploymentMessage):
    """Other releases are to get an alias' requests from now on; none: it is gone; emitted by the deployer."""

    type: Literal["traffic.shifted.v1"] = "traffic.shifted.v1"
    alias: AliasName = LIVE_ALIAS
    shares: tuple[TrafficShare, ...]
    serving: Serving | None = Field(
        default=None, description="Where most go to a release that is live already; else its going live says."
    )


class DeploymentCreated(DeploymentMessage):
    """The first command of a deployment was decided; emitted by the deployer."""

    type: Literal["deployment.created.v1"] = "deployment.created.v1"
    by: str


class DeploymentConfigured(DeploymentMessage):
    """What is said about the deployment as a whole changed; emitted by the deployer."""

    type: Literal["deployment.configured.v1"] = "deployment.configured.v1"
    settings: DeploymentSettings
    former_names: tuple[FormerName, ...] = ()
    by: str


class DeploymentFailed(DeploymentMessage):
    """The release that serves has no replica that stays; it is tried on and on; emitted by the deployer."""

    type: Literal["deployment.failed.v1"] = "deployment.failed.v1"
    release: int
    failure: FailureRecord


class DeploymentRecovered(DeploymentMessage):
    """A replica of the release that serves stays again; emitted by the deployer."""

    type: Literal["deployment.recovered.v1"] = "deployment.recovered.v1"
    release: int


class DeploymentRestored(DeploymentMessage):
    """A deleted deployment is back, stopped; emitted by the deployer."""

    type: Literal["deployment.restored.v1"] = "deployment.restored.v1"
    by: str


class DeploymentEnded(DeploymentMessage):
    """No replica and no route is left after a stop, delete or purge; emitted by the deployer."""

    type: Literal["deployment.ended.v1"] = "deployment.ended.v1"
    wanted: Wanted


class WorkloadUnknown(DeploymentMessage):
    """A target runs a workload that no desired record ever named; emitted by the deployer.

    It carries this installation's id and is left alone until a user removes it.
    """

    type: Literal["workload.unknown.v1"] = "workload.unknown.v1"
    workload: WorkloadId
    target: TargetName


class VersionRemoved(DeploymentMessage):
    """The images of a version are gone: only a new build brings its releases back; emitted by the builder."""

    type: Literal["version.removed.v1"] = "version.removed.v1"
    version: VersionId
    label: Label
    leftovers: tuple[str, ...] = Field(default=(), description="What could not be removed, and why.")


class VersionHidden(DeploymentMessage):
    """A version is kept, but neither listed nor deployed any more; or it is again; emitted by the api."""

    type: Literal["version.hidden.v1"] = "version.hidden.v1"
    version: VersionId
    hidden: bool
    by: str


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


class MessageRetried(DeploymentMessage):
    """What a dead command asked for was asked anew; emitted by the api in one batch with the new command."""

    type: Literal["message.retried.v1"] = "message.retried.v1"
    sequence: int = Field(description="Of the dead message.")
    operation: OperationId = Field(description="The new command.")
    by: str


class MessageDiscarded(DeploymentMessage):
    """A dead message needs no attention any more; it stays in the log; emitted by the api."""

    type: Literal["message.discarded.v1"] = "message.discarded.v1"
    sequence: int = Field(description="Of the dead message.")
    by: str


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
    | ReleasePinned
)
OperationEvent = (
    OperationStarted | OperationSucceeded | OperationFailed | OperationSuperseded | OperationCanceled
)
DeploymentEvent = (
    TrafficShifted
    | DeploymentCreated
    | DeploymentConfigured
    | DeploymentFailed
    | DeploymentRecovered
    | DeploymentRestored
    | DeploymentEnded
    | WorkloadUnknown
    | VersionRemoved
    | VersionHidden
    | MessageDead
    | MessageRetried
    | MessageDiscarded
)
Event = BuildEvent | ReleaseEvent | OperationEvent | DeploymentEvent | GroupEvent | InstallationEvent
