"""Row models: what the tables hold, typed. Read by `queries`, folded and written by the projector.

The tables are the truth of the schema; a test compares every row model with its table.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.envelope import Origin
from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.failure import FailureRecord
from slipway_contracts.frozen import Frozen
from slipway_contracts.installation_events import Member, Quota, RoleGrant
from slipway_contracts.lifecycle import BuildState, DeploymentState, OperationState, ReleaseState, Wanted
from slipway_contracts.quota import Charge
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaState, SmokeResult
from slipway_contracts.size import Size
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, TrafficShare
from slipway_contracts.version import Version


class Row(Frozen):
    """A row of the projection."""


class EventRow(Row):
    """A message of the log, as it came; `group` and `deployment` are None where its subject has none."""

    sequence: int
    id: str
    type: str
    subject: str
    about: str | None = Field(
        default=None,
        description="Subject of the envelope, empty: it has none; None: group and deployment, if any.",
    )
    group: str | None
    deployment: str | None
    source: str
    time: datetime
    causation_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    origin: Origin | None = Field(default=None, description="Whose request it is; None: nobody's.")
    body: JsonValue = Field(description="A string where the body was no JSON of its type.")


class JsonText:
    """Marks a field whose text is JSON already."""


class LoggedRow(EventRow):
    """A message on its way into the table."""

    body: Annotated[str, JsonText()]


class DeploymentStatus(Row):
    """The status of a deployment: what a list shows."""

    group: str
    id: str
    name: str = Field(default="", description="Its place in the URL path.")
    description: str = ""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    state: DeploymentState
    wanted: Wanted = Field(description="What the last command asks for.")
    ready: int = Field(description="Ready replicas of the release that serves.")
    replicas: int = Field(description="Wanted replicas of the release that serves.")
    live_release: int | None = Field(description="Number of the release that serves.")
    version_label: str | None = Field(description="Of the release that serves, else of the one on its way.")
    target: str | None
    endpoints: tuple[str, ...] = Field(description="Names, of the same release as `version_label`.")
    aliases: tuple[AliasRoute, ...] = Field(default=(), description="Where each points, `live` first.")
    pins: tuple[int, ...] = ()
    deleted: str | None = Field(default=None, description="`hide`, `unload` or `purge`; None: it is not.")
    crash_loop: FailureRecord | None = Field(
        default=None, description="Why the release that serves has no replica that stays."
    )
    charge_deployments: int = 0
    charge_replicas: int = 0
    charge_cpu: float = 0.0
    charge_memory_bytes: int = 0
    charge_gpu: int = 0
    last_command: int = Field(description="Sequence of the last command to the deployer: the ETag; 0: none.")
    created_at: datetime
    created_by: str
    changed_at: datetime
    sequence: int = Field(description="Last message that said something about this status.")

    @property
    def charge(self) -> Charge:
        """What it holds of its group's quota and of its target's room."""
        return Charge(
            deployments=self.charge_deployments,
            replicas=self.charge_replicas,
            cpu=self.charge_cpu,
            memory_bytes=self.charge_memory_bytes,
            gpu=self.charge_gpu,
        )


class DeploymentDetail(DeploymentStatus):
    """A deployment's status with what is too much for a list."""

    settings: DeploymentSettings = DeploymentSettings()
    former_names: tuple[FormerName, ...] = ()


class DeploymentRow(DeploymentDetail):
    """A deployment with the facts from which its status follows, and with what it is found by."""

    words: str = Field(default="", description="Of id, name and description; see `slipway_store.words`.")
    listed: bool = Field(default=True, description="Neither deleted nor purged.")
    facts: DeploymentFacts


class MetadataRow(Row):
    """One pair of a deployment's metadata: what makes a list of those that have it."""

    group: str
    deployment: str
    key: str
    pair: str | None = Field(description="`key=value`, cut where it is long; None: it has the key no more.")
    sequence: int


class ReleaseRow(Row):
    """A release: version, complete configuration, and when it did what."""

    group: str
    deployment: str
    number: int
    state: ReleaseState
    operation: str = Field(description="Operation that made it.")
    cause: str = Field(description="`deploy`, `redeploy`, `start`, `restart`, `scale` ….")
    alias: str = Field(default=LIVE_ALIAS, description="Alias that was moved to it when it was made.")
    copy_of: int | None = Field(default=None, description="Release of which it is an exact copy.")
    pinned: bool = False
    instance_type: str | None = None
    version: Version | None = Field(description="None while its build runs.")
    version_id: str | None = None
    version_label: str | None
    build: str | None
    config: ReleaseConfig
    workloads: Mapping[str, str] = Field(default_factory=dict, description="Workload id per endpoint.")
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    ready_at: datetime | None = None
    live_at: datetime | None = Field(default=None, description="When it last went live.")
    retired_at: datetime | None = None
    ended_at: datetime | None = Field(
        default=None, description="When it failed or was superseded or canceled."
    )
    deadline_at: datetime | None = Field(default=None, description="By when its replicas must be ready.")
    failure: FailureRecord | None = None
    sequence: int


class ReleaseHistory(ReleaseRow):
    """A release, and whether it can run again."""

    restorable: bool = Field(description="Its version is known, and neither removed nor hidden.")


class AliasChangeRow(Row):
    """A change of where an alias points."""

    group: str
    deployment: str
    alias: str
    sequence: int = Field(description="Sequence of the message that says it; orders changes.")
    shares: tuple[TrafficShare, ...] = Field(description="Empty: the alias went.")
    at: datetime
    operation: str | None = Field(description="Operation that changed it.")
    by: str | None = Field(description="User who asked for that operation.")


class StepState(StrEnum):
    """Where a step of a build is on its way."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class BuildStep(BaseModel):
    """One step of a build."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: StepState
    seconds: float | None = None
    detail: str = ""


class BuildRow(Row):
    """A build, its steps and what came of it."""

    id: str
    group: str
    deployment: str
    state: BuildState
    source: str = Field(description="Digest of the source archive.")
    label: str | None = Field(description="Label asked for; after success, the label of the version.")
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    steps: tuple[BuildStep, ...] = ()
    version_id: str | None = None
    failure: FailureRecord | None = None
    accepted: int = Field(description="Sequence of the command; orders builds.")
    sequence: int


class VersionRow(Row):
    """A version: the body never changes, whether it can still be used does."""

    id: str
    group: str
    deployment: str
    label: str
    body: Version
    created_at: datetime
    created_by: str
    hidden: bool = Field(default=False, description="Kept, but neither listed nor deployed.")
    removed_at: datetime | None = Field(default=None, description="When its images were removed.")
    leftovers: tuple[str, ...] = Field(default=(), description="What could not be removed, and why.")
    used_at: datetime | None = Field(default=None, description="When a release of it was last started.")
    used_by: int | None = Field(default=None, description="Number of that release.")
    made: int = Field(description="Sequence of the message that brought it; orders versions.")
    sequence: int


class OperationRow(Row):
    """The progress of one accepted command; its id is the id of the command."""

    id: str
    group: str
    deployment: str
    kind: str = Field(description="Verb of the command, as `deploy` or `cancel-build`.")
    state: OperationState
    request_digest: str
    created_at: datetime
    created_by: str
    release: int | None = Field(default=None, description="Number of the release that it made.")
    build: str | None = Field(default=None, description="Build that it makes, waits for or cancels.")
    failure: FailureRecord | None = None
    superseded_by: str | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    accepted: int = Field(description="Sequence of the command; orders operations.")
    sequence: int


class ReplicaRow(Row):
    """The last seen state of a replica; what ended it stays after it is gone."""

    group: str
    deployment: str
    workload: str
    replica: str
    endpoint: str
    target: str
    state: ReplicaState
    address: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    log_tail: tuple[str, ...] = ()
    listening: tuple[int, ...] = ()
    detail: str | None = None
    smoke: SmokeResult | None = None
    started_at: datetime | None = None
    at: datetime = Field(description="When its last change was seen.")
    epoch: int
    transition: int
    sequence: int


class TargetRow(Row):
    """A target; what it is, is None until a monitor has announced it."""

    name: str
    engine: str | None = None
    epoch: int | None = None
    cpu: float | None = None
    memory_bytes: int | None = None
    gpu: int = 0
    allocatable_cpu: float | None = Field(default=None, description="None: as many as it has.")
    allocatable_memory_bytes: int | None = None
    announced_at: datetime | None = None
    lost_since: datetime | None = Field(default=None, description="None: a monitor watches it.")
    sequence: int


class UnknownWorkloadRow(Row):
    """A workload that a target runs and no desired record ever named."""

    group: str
    deployment: str
    workload: str
    target: str
    seen_at: datetime
    gone_at: datetime | None = Field(default=None, description="When a replica of it was seen gone.")
    sequence: int


class GroupRow(Row):
    """A group, as last configured."""

    name: str
    description: str
    deployments_enabled: bool = True
    quota: Quota = Quota()
    members: tuple[Member, ...] = ()
    created_at: datetime
    changed_at: datetime
    sequence: int


class InstanceTypeRow(Row):
    """An instance type, as last configured."""

    name: str
    description: str
    size: Size
    node_selector: Mapping[str, str]
    removed: bool
    created_at: datetime
    changed_at: datetime
    changed_by: str
    sequence: int


class SecretRow(Row):
    """A group's secret; its values are elsewhere, sealed."""

    group: str
    name: str
    version: int = Field(description="The newest.")
    removed: bool
    created_at: datetime
    changed_at: datetime
    changed_by: str
    sequence: int


class ArtifactRow(Row):
    """An artifact that was adopted or hidden; one that was uploaded and never hidden has no row."""

    group: str
    digest: str
    name: str | None = None
    size_bytes: int | None = None
    adopted_at: datetime | None = None
    adopted_by: str | None = None
    hidden: bool = False
    changed_at: datetime
    changed_by: str
    sequence: int


class KeyRow(Row):
    """An API key, as last configured; holds a digest, never the key."""

    id: str
    digest: str
    user: str
    grants: tuple[RoleGrant, ...]
    revoked: bool
    created_at: datetime
    changed_at: datetime
    sequence: int


class CheckpointRow(Row):
    """The last message that the tables hold, and the number of the fold that made them."""

    stream: str
    projection: int
    sequence: int
    event_id: str
    at: datetime | None = Field(default=None, description="Time of that message.")
