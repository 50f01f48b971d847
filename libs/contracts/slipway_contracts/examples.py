"""One example of every message, about the same small story: the first release of `default/digits`."""

from datetime import UTC, datetime, timedelta
from typing import Final

from slipway_contracts import commands, events, installation_events, webhook_events
from slipway_contracts.access import Access, AccessMode, EndpointKey
from slipway_contracts.codec import AnyMessage
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.size import Size
from slipway_contracts.traffic import ReleaseRequest, RestoredRelease, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload

_AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_DEADLINE: Final = _AT + timedelta(minutes=5)
_OWNER: Final = {"group": "default", "deployment": "digits"}
_ASKED: Final = _OWNER | {"by": "ada", "request_digest": derived_id("request")}
_OPERATION: Final = derived_id("operation")
_BUILD: Final = derived_id("build")
_SOURCE: Final = "sha256:" + "1a" * 32
_ENDPOINT: Final = EndpointSpec(
    name="predict-digit",
    image="sha256:" + "2b" * 32,
    command=CommandSpec(argv=("python", "-m", "server", "predict_wsgi:predict_wsgi")),
)
_VERSION: Final = Version(
    **_OWNER,
    id=_BUILD,
    label="20260102.1",
    build=_BUILD,
    endpoints=(_ENDPOINT,),
    python="3.11",
    platform="linux/amd64",
    source=_SOURCE,
    created_at=_AT,
    created_by="ada",
)
_CONFIG: Final = ReleaseConfig(environment={"LOG_LEVEL": "info"})
_WORKLOAD: Final = Workload.of(
    group="default", deployment="digits", endpoint=_ENDPOINT, config=_CONFIG, replicas=1
)
_FAILURE: Final = FailureRecord(
    stage=Stage.START,
    reason=Reason.REPLICA_EXITED,
    message="Endpoint predict-digit exited with code 1, 3 times in a row, before it was ready.",
    hint="Read the log lines below; run the endpoint's command on your machine with PORT set.",
    at=_AT,
    exit_code=1,
    log_tail=("ModuleNotFoundError: No module named 'sklearn'",),
    endpoint="predict-digit",
    replica="0-3",
)
_REQUEST: Final = ReleaseRequest(version=_VERSION, config=_CONFIG)
_OF_BUILD: Final = _OWNER | {"build": _BUILD}
_OF_RELEASE: Final = _OWNER | {"release": 1}
_OF_OPERATION: Final = _OWNER | {"operation": _OPERATION}
_SHARES: Final = (TrafficShare(release=1, weight=100),)
_WORKLOADS: Final = {"predict-digit": _WORKLOAD.id}

_IMAGES: Final = commands.VersionImages(id=_VERSION.id, label=_VERSION.label, images=(_ENDPOINT.image,))
_SETTINGS: Final = DeploymentSettings(
    name="numbers",
    description="Reads handwritten digits.",
    metadata={"team": "vision"},
    access=Access(
        mode=AccessMode.KEYS,
        keys=(EndpointKey(id=derived_id("caller"), name="shop", created_at=_AT, created_by="ada"),),
    ),
)

_COMMANDS: Final = (
    commands.Build(**_ASKED, source=_SOURCE, deadline_at=_DEADLINE),
    commands.CancelBuild(**_ASKED, build=_BUILD),
    commands.Deploy(**_ASKED, request=_REQUEST),
    commands.Redeploy(**_ASKED, request=_REQUEST),
    commands.Start(**_ASKED, request=_REQUEST),
    commands.Stop(**_ASKED),
    commands.Delete(**_ASKED),
    commands.Cancel(**_ASKED),
    commands.RemoveVersions(**_ASKED, versions=(_IMAGES,), cause="retention"),
    commands.Undelete(**_ASKED),
    commands.Purge(**_ASKED, versions=(_IMAGES,)),
    commands.Configure(**_ASKED, settings=_SETTINGS),
    commands.SetAlias(
        **_ASKED,
        alias="staging",
        shares=_SHARES,
        restored=(RestoredRelease(number=1, version=_VERSION, config=_CONFIG),),
    ),
    commands.RemoveAlias(**_ASKED, alias="staging"),
    commands.Pin(**_ASKED, release=1, pinned=True),
)
_BUILD_EVENTS: Final = (
    events.BuildStarted(**_OF_BUILD, source=_SOURCE, by="ada", deadline_at=_DEADLINE),
    events.BuildStepStarted(**_OF_BUILD, step="dependencies"),
    events.BuildStepFinished(**_OF_BUILD, step="dependencies", seconds=1.5, detail="12 packages"),
    events.BuildSucceeded(**_OF_BUILD, version=_VERSION, seconds=2.5),
    events.BuildFailed(**_OF_BUILD, failure=_FAILURE.model_copy(update={"stage": Stage.BUILD})),
    events.BuildCanceled(**_OF_BUILD, by="ada"),
)
_RELEASE_EVENTS: Final = (
    events.ReleaseCreated(
        **_OF_RELEASE, operation=_OPERATION, cause="deploy", version=_VERSION, config=_CONFIG, by="ada"
    ),
    events.ReleaseStarting(**_OF_RELEASE, version=_VERSION, workloads=_WORKLOADS, deadline_at=_DEADLINE),
    events.ReleaseReady(**_OF_RELEASE),
    events.ReleaseLive(**_OF_RELEASE, seconds=0.4),
    events.ReleaseDraining(**_OF_RELEASE),
    events.ReleaseRetired(**_OF_RELEASE),
    events.ReleaseFailed(**_OF_RELEASE, failure=_FAILURE),
    events.ReleaseSuperseded(**_OF_RELEASE, by_operation=derived_id("newer")),
    events.ReleaseCanceled(**_OF_RELEASE, by="ada"),
    events.ReleasePinned(**_OF_RELEASE, pinned=True, by="ada"),
)
_OTHER_EVENTS: Final = (
    events.OperationStarted(**_OF_OPERATION),
    events.OperationSucceeded(**_OF_OPERATION),
    events.OperationFailed(**_OF_OPERATION, failure=_FAILURE),
    events.OperationSuperseded(**_OF_OPERATION, by_operation=derived_id("newer")),
    events.OperationCanceled(**_OF_OPERATION, by="ada"),
    events.TrafficShifted(**_OWNER, shares=_SHARES),
    events.DeploymentCreated(**_OWNER, by="ada"),
    events.DeploymentEnded(**_OWNER, wanted=Wanted.STOPPED),
    events.MessageDead(
        **_OWNER,
        service="deployer",
        sequence=17,
        message_id=_OPERATION,
        message_type="command.deploy.v1",
        deliveries=21,
        error="the body is no command.deploy.v1",
    ),
    events.MessageRetried(**_OWNER, sequence=17, operation=derived_id("again"), by="ada"),
    events.MessageDiscarded(**_OWNER, sequence=17, by="ada"),
    installation_events.GatewayRemoved(gateway="edge-2", applied=812, heard_at=_AT, by="ada"),
    installation_events.LogSnapshotted(
        sequence=4711, digest="sha256:" + "5a" * 32, rows=9214, size_bytes=1_203_344, by="ada"
    ),
    installation_events.LogTruncated(
        before=4000, snapshot="sha256:" + "5a" * 32, snapshot_sequence=4711, messages=3518, by="ada"
    ),
    installation_events.RequestRefused(
        group="default",
        deployment="digits",
        method="POST",
        route="/v1/groups/{group}/deployments/{deployment}/redeploy",
        status=403,
        reason="NotAllowed",
        message="eve has the role viewer in default; a deployer may do this.",
    ),
    installation_events.TargetAnnounced(
        target="local", engine="supervisor", epoch=7, cpu=2, memory_bytes=8 << 30
    ),
    installation_events.TargetLost(target="local", since=_AT),
    installation_events.TargetFound(target="local"),
    events.DeploymentConfigured(
        **_OWNER, settings=_SETTINGS, former_names=(FormerName(name="digits", until=_DEADLINE),), by="ada"
    ),
    events.DeploymentFailed(**_OF_RELEASE, failure=_FAILURE.model_copy(update={"reason": Reason.CRASH_LOOP})),
    events.DeploymentRecovered(**_OF_RELEASE),
    events.DeploymentRestored(**_OWNER, by="ada"),
    events.WorkloadUnknown(**_OWNER, workload="0123456789abcdef", target="local"),
    events.VersionRemoved(**_OWNER, version=_VERSION.id, label=_VERSION.label),
    events.VersionHidden(**_OWNER, version=_VERSION.id, hidden=True, by="ada"),
    installation_events.NameClaimed(group="default", name="numbers", deployment="digits"),
    installation_events.SecretConfigured(group="default", secret="database-url", version=1, by="ada"),
    installation_events.ArtifactUploaded(group="default", digest=_SOURCE, size_bytes=4096, by="ada"),
    installation_events.ArtifactAdopted(
        group="default", digest=_SOURCE, name="model.tar.gz", size_bytes=4096, by="ada"
    ),
    installation_events.ArtifactHidden(group="default", digest=_SOURCE, hidden=True, by="ada"),
    installation_events.InstanceTypeConfigured(
        name="small", size=Size(cpu=0.5, memory_bytes=512 << 20), by="ada"
    ),
    installation_events.WebhookConfigured(
        group="default",
        webhook=derived_id("webhook"),
        url="https://ops.example.com/slipway",
        types=("release.failed", "deployment"),
        secret=1,
        by="ada",
    ),
    installation_events.WebhookDisabled(
        group="default",
        webhook=derived_id("webhook"),
        revision=17,
        reason="gone",
        message="the receiver answered 410",
        position=42,
    ),
    webhook_events.WebhookRemoved(
        group="default",
        webhook=derived_id("webhook"),
        revision=17,
        message="the receiver answered 410 Gone",
        position=42,
    ),
    webhook_events.WebhookPinged(group="default", webhook=derived_id("webhook"), by="ada"),
    webhook_events.WebhookAnswered(
        group="default",
        webhook=derived_id("webhook"),
        ping=43,
        delivered=False,
        status=500,
        seconds=0.041,
        problem="the receiver answered 500 Internal Server Error",
    ),
    installation_events.GroupConfigured(
        group="default", description="Where deployments go unless told otherwise."
    ),
    installation_events.KeyConfigured(
        key=derived_id("key"),
        digest="sha256:" + "3c" * 32,
        user="ada",
        grants=(installation_events.RoleGrant(group="*", role="admin"),),
    ),
)
_RECORDS: Final = (
    Desired(
        **_OWNER,
        position=17,
        next_release=2,
        releases=(
            DesiredRelease(
                number=1,
                operation=_OPERATION,
                state=ReleaseState.LIVE,
                version=_VERSION,
                config=_CONFIG,
                created_at=_AT,
                created_by="ada",
                workloads=_WORKLOADS,
            ),
        ),
        workloads=(DesiredWorkload(workload=_WORKLOAD, serving=1, crashes=(0,)),),
        traffic=_SHARES,
    ),
    ReplicaFact(
        **_OWNER,
        workload=_WORKLOAD.id,
        replica="0-1",
        endpoint="predict-digit",
        target="local",
        state=ReplicaState.READY,
        transition=2,
        epoch=7,
        at=_AT,
        address="127.0.0.1:40001",
        started_at=_AT,
        pid=4242,
    ),
)

EXAMPLES: Final[tuple[AnyMessage, ...]] = (
    *_COMMANDS,
    *_BUILD_EVENTS,
    *_RELEASE_EVENTS,
    *_OTHER_EVENTS,
    *_RECORDS,
)
