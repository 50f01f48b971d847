"""Bodies of answers. Each reads from a row of the projection or a message of the log by attribute names.

What the client must not rely on (positions in tables, facts of the fold) is left out.
"""

from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from slipway_contracts.access import AccessMode
from slipway_contracts.failure import FailureRecord
from slipway_contracts.installation_events import RoleGrant
from slipway_contracts.lifecycle import BuildState, DeploymentState, OperationState, ReleaseState
from slipway_contracts.quota import Charge
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaState
from slipway_contracts.traffic import LIVE_ALIAS
from slipway_contracts.version import EndpointSpec

T = TypeVar("T")

Sequence = Annotated[int, Field(description="Position in the log; give it as `at_least` to read your write.")]


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Page(View, Generic[T]):
    """Part of a list; without `next_page_token` it is the last part."""

    items: list[T]
    next_page_token: str | None = Field(default=None, description="Give it as `page_token`.")


class Overdue(View):
    """A transient state that lasts longer than it may."""

    since: AwareDatetime = Field(description="When it should have ended.")
    owed_by: str = Field(description="The service that has to end it: look at its health and log.")


class Operation(View):
    """Progress of one accepted command; the id is the command's."""

    id: str
    kind: str = Field(description="Verb of the command, as `deploy` or `cancel-build`.", examples=["deploy"])
    state: OperationState
    group: str
    deployment: str
    release: int | None = Field(default=None, description="Release that it made.")
    build: str | None = Field(default=None, description="Build that it makes, waits for or cancels.")
    created_at: AwareDatetime
    created_by: str
    ended_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    failure: FailureRecord | None = None
    superseded_by: str | None = Field(default=None, description="The newer operation that took its place.")
    overdue: Overdue | None = None


class Accepted(View):
    """The log has the command."""

    operation: Operation
    deployment: str
    build: str | None = Field(default=None, description="Build that the deployment waits for.")
    sequence: Sequence
    notices: list[str] = Field(
        default_factory=list,
        description="What to know, although it was accepted; the answer to a repeat has none.",
    )


class Share(View):
    """The part of an alias' requests that one release gets."""

    release: int
    weight: int = Field(description="Percent.")
    version_label: str | None = None
    state: ReleaseState | None = Field(default=None, description="null: it needs nothing any more.")


class Alias(View):
    """A name that points at releases."""

    alias: str
    url: str = Field(description="Base of the endpoints at the gateway.")
    shares: list[Share] = Field(description="Where it points, or pointed when the deployment was stopped.")
    moving_to: list[Share] | None = Field(
        default=None, description="Where it will point once these are ready; null: it is not on its way."
    )


class ServingRelease(View):
    """A release that takes requests."""

    release: int
    version_label: str
    url: str | None = Field(description="By its version's label; null: a newer release of it has that.")


class FormerPath(View):
    """A name that the deployment had."""

    name: str
    until: AwareDatetime = Field(description="How long it is still routed.")


class Settings(View):
    """What is said about a deployment as a whole."""

    name: str | None = Field(description="Its place in the URL path; null: its id.")
    description: str
    metadata: dict[str, str]
    stop_deadline_seconds: float
    rename_grace_seconds: float
    access: AccessMode = Field(description="How callers of the endpoints show that they may.")
    former_names: list[FormerPath] = Field(default_factory=list)


class Condition(View):
    """One aspect of a deployment."""

    type: str = Field(examples=["ReplicasReady"])
    status: bool | None = Field(description="null: not known yet.")
    reason: str
    message: str
    release: int | None = None
    since: AwareDatetime | None = Field(default=None, description="When it last changed.")


class Endpoint(View):
    """Where an endpoint of the release that serves is called."""

    name: str
    url: str = Field(description="Its address at the gateway.")
    description: str = ""
    timeout_seconds: float
    idempotent: bool


class Replica(View):
    """The last seen state of a replica."""

    workload: str
    replica: str
    release: int | None = Field(
        default=None, description="The newest that has it; null: none that needs anything any more."
    )
    endpoint: str
    target: str
    state: ReplicaState
    address: str | None = None
    pid: int | None = Field(default=None, description="Its process, on targets that have some.")
    exit_code: int | None = None
    signal: str | None = None
    log_tail: list[str] = Field(default_factory=list, description="Last log lines, of one that ended.")
    listening: list[int] = Field(default_factory=list)
    detail: str | None = None
    started_at: AwareDatetime | None = None
    at: AwareDatetime = Field(description="When its last change was seen.")


class Release(View):
    """A release: a version with its complete configuration, and what became of it."""

    number: int
    state: ReleaseState
    operation: str
    cause: str
    version_label: str | None
    version_id: str | None = None
    build: str | None
    config: ReleaseConfig
    alias: str = Field(default=LIVE_ALIAS, description="Alias that it was made for.")
    copy_of: int | None = Field(default=None, description="Release of which it is an exact copy.")
    pinned: bool = Field(default=False, description="It runs on although no alias may name it.")
    restorable: bool = Field(default=True, description="It can run again, with no build.")
    how_to_restore: str | None = Field(default=None, description="What helps where it is not restorable.")
    created_at: AwareDatetime
    created_by: str
    started_at: AwareDatetime | None = None
    ready_at: AwareDatetime | None = None
    live_at: AwareDatetime | None = None
    retired_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    failure: FailureRecord | None = None


class Deployment(View):
    """A deployment in a list."""

    group: str
    id: str
    name: str = Field(description="Its place in the URL path.")
    description: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    state: DeploymentState
    ready: int = Field(description="Ready replicas of the release that serves.")
    replicas: int = Field(description="Wanted replicas of the release that serves.")
    live_release: int | None
    version_label: str | None
    target: str | None
    created_at: AwareDatetime
    created_by: str
    changed_at: AwareDatetime
    etag: str = Field(description="Give it as `If-Match`, to act only on what you have seen.")


class DeploymentDetail(Deployment):
    """A deployment with all that there is to say about now."""

    as_of: int | None = Field(default=None, description="Position in the log, of an answer of the past.")
    url: str = Field(description="Base of its endpoints.")
    endpoints: list[Endpoint]
    settings: Settings
    aliases: list[Alias] = Field(description="Names that point at releases, `live` first.")
    serving: list[ServingRelease] = Field(description="Releases that take requests, whatever names them.")
    pins: list[int] = Field(description="Releases that run although no alias may name them.")
    call_example: str | None = Field(
        default=None, description="A command that calls an endpoint, once its placeholder has a value."
    )
    charge: Charge = Field(description="What it holds of its group's quota.")
    deleted: str | None = Field(
        default=None, description="`hide` or `unload`; `undelete` brings it back; `purge`: nothing does."
    )
    leftovers: list[str] = Field(
        default_factory=list, description="What could not be removed of its versions, and why."
    )
    conditions: list[Condition]
    live: Release | None = Field(default=None, description="The release that serves.")
    next: Release | None = Field(default=None, description="The release on its way.")
    failure: FailureRecord | None = Field(
        default=None,
        description="Of its end, where that takes too long; else of the newest release, where it failed; "
        "else of the crash loop.",
    )
    crash_loop: FailureRecord | None = Field(
        default=None, description="Why the release that serves has no replica that stays."
    )
    overdue: Overdue | None = None
    replica_list: list[Replica] = Field(description="Replicas seen, the ended ones of kept releases too.")


class BuildStep(View):
    """One step of a build."""

    name: str
    state: str
    seconds: float | None = None
    detail: str = ""


class Build(View):
    """A build, its steps and what came of it."""

    id: str
    group: str
    deployment: str
    state: BuildState
    source: str
    label: str | None
    created_at: AwareDatetime
    created_by: str
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    steps: list[BuildStep] = Field(default_factory=list)
    version_id: str | None = None
    failure: FailureRecord | None = None


class VersionSummary(View):
    """A version; never changes."""

    id: str
    group: str
    deployment: str
    label: str
    build: str
    endpoints: list[EndpointSpec]
    base: str
    python: str
    platform: str
    source: str | None = None
    notices: list[str] = Field(default_factory=list)
    created_at: AwareDatetime
    created_by: str
    hidden: bool = Field(default=False, description="Kept, but neither listed nor deployed.")
    restorable: bool = Field(default=True, description="It can be deployed: its images are there.")
    how_to_restore: str | None = Field(default=None, description="What helps where it is not restorable.")
    removed_at: AwareDatetime | None = Field(default=None, description="When its images were removed.")
    leftovers: list[str] = Field(default_factory=list, description="What could not be removed, and why.")
    used_at: AwareDatetime | None = Field(default=None, description="When a release of it last started.")
    used_by: int | None = Field(default=None, description="Number of that release.")


class Group(View):
    """An owner of deployments, and what the caller may do in it."""

    name: str
    description: str
    role: str = Field(description="Your role: viewer, deployer or admin.")


class Target(View):
    """Where workloads run."""

    name: str
    engine: str
    cpu: float = Field(description="Cores.")
    memory_bytes: int
    lost: bool = Field(description="No monitor watches it: its deployments are UNKNOWN.")


class Me(View):
    """Whose key this is and what it may do."""

    user: str
    key: str = Field(description="Id of the key.")
    grants: list[RoleGrant] = Field(description="Of the key.")
    memberships: list[RoleGrant] = Field(
        default_factory=list, description="Of the user, whichever key is used."
    )


class Key(View):
    """An API key, without the key."""

    id: str
    user: str
    grants: list[RoleGrant]


class NewKey(Key):
    """A new API key; it is shown here and never again."""

    secret: str = Field(description="The key, for `Authorization: Bearer …`.")
    sequence: Sequence


class Artifact(View):
    """A stored file."""

    digest: str
    size_bytes: int


class FieldProblem(View):
    """What is the matter with one field."""

    pointer: str = Field(
        description="RFC 6901 pointer into the body, or the parameter.", examples=["#/size/cpu"]
    )
    detail: str
    code: str
    nearest: str | None = Field(default=None, description="The nearest name that exists.")


class Problem(BaseModel):
    """RFC 9457; every number and name of the text is a member too, whose name depends on the reason."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    reason: str = Field(description="Stable code; never renamed or reused.", examples=["DeploymentExists"])
    domain: str = "slipway"
    hint: str = Field(description="What to do next.")
    instance: str
    request_id: str
    errors: list[FieldProblem] | None = Field(default=None, description="Of `InvalidRequest`: each field.")
